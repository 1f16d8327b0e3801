"""Regenerates the model skeletons in this folder: real torch.onnx exports of narrow torchvision networks, without weights.

Why: the tests need the graphs that exporters really write, of every family and in every style, but not megabytes of weights.
Every float tensor with more than KEEP elements loses its content and keeps its name, type and dimensions; loadSkeleton
(../src/skeleton.ts) fills it again with seeded values. Nothing else of the graph is changed, except that machine-specific
metadata (stack traces with file paths) is removed. Two exporters write the files, see README.md:

  python3 export.py script          torch.onnx's TorchScript exporter (torch 1.13 and torchvision 0.14)
  python3 export.py dynamo          torch.onnx's exporter on torch.export (torch 2.15, torchvision 0.29, onnxscript 0.7)
  python3 export.py index           rewrites index.json from the table below and the files
"""
import io
import json
import logging
import os
import sys
import warnings

import onnx
import torch
from torch import nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.regnet import BlockParams, RegNet
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 10
KEEP = 8
"""Float tensors up to this many elements keep their content: scalars and small constants that belong to the structure."""
KEPT_METADATA = {"pkg.torch.onnx.name_scopes"}


def narrow(net, k):
    """Divides the width of every layer by k, except the image's channels and the classes; depthwise stays depthwise."""
    layers = [(n, m) for n, m in net.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))]
    classifier = [m for _, m in layers if not isinstance(m, nn.BatchNorm2d)][-1]

    def thin(width):
        if width % k:
            raise ValueError(f"{width} channels cannot be divided by {k}")
        return width // k

    for name, m in layers:
        if isinstance(m, nn.BatchNorm2d):
            new = nn.BatchNorm2d(thin(m.num_features), eps=m.eps, momentum=m.momentum)
        elif isinstance(m, nn.Linear):
            out = m.out_features if m is classifier else thin(m.out_features)
            new = nn.Linear(thin(m.in_features), out, bias=m.bias is not None)
        else:
            inputs = m.in_channels if m.in_channels == 3 else thin(m.in_channels)
            out = m.out_channels if m is classifier else thin(m.out_channels)
            groups = thin(m.groups) if m.groups == m.in_channels else m.groups
            new = nn.Conv2d(inputs, out, m.kernel_size, m.stride, m.padding, m.dilation, groups, m.bias is not None)
        parent = net.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], new)
    return net


def efficientnet():
    # expand ratio, kernel, stride, in, out, layers
    blocks = [(1, 3, 1, 16, 8, 1), (6, 3, 2, 8, 16, 2), (6, 5, 2, 16, 24, 2), (6, 3, 1, 24, 40, 1)]
    return EfficientNet([MBConvConfig(*b) for b in blocks], dropout=0.2, num_classes=CLASSES)


def mobilenet_v3():
    # in, kernel, expanded, out, squeeze-and-excite, activation, stride, dilation, width
    blocks = [
        (16, 3, 16, 16, True, "RE", 2, 1, 1.0),
        (16, 3, 48, 24, False, "RE", 2, 1, 1.0),
        (24, 3, 56, 24, False, "RE", 1, 1, 1.0),
        (24, 5, 64, 24, True, "HS", 1, 1, 1.0),
        (24, 5, 96, 40, True, "HS", 2, 1, 1.0),
    ]
    return MobileNetV3([InvertedResidualConfig(*b) for b in blocks], last_channel=64, num_classes=CLASSES)


def regnet():
    params = BlockParams.from_init_params(depth=6, w_0=16, w_a=8.0, w_m=2.0, group_width=8, se_ratio=0.25)
    return RegNet(params, num_classes=CLASSES, stem_width=16)


def convnext():
    stages = [CNBlockConfig(16, 32, 2), CNBlockConfig(32, 48, 2), CNBlockConfig(48, None, 1)]
    return models.ConvNeXt(stages, num_classes=CLASSES)


def googlenet(**options):
    # Without the auxiliary classifiers, which an exported network does not run either.
    return narrow(models.GoogLeNet(num_classes=CLASSES, init_weights=False, aux_logits=False, **options), 8)


def inception():
    return narrow(models.Inception3(num_classes=CLASSES, init_weights=False, aux_logits=False), 8)


def distinct(net):
    """Gives tensors that are alike in a new network (zero biases, unit scales) values of their own: exporters store equal ones once."""
    for parameter in net.parameters():
        if parameter.unique().numel() == 1:
            parameter.data.normal_(0.5, 0.1)
    return net


def vit():
    size = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 4, "hidden_dim": 32, "mlp_dim": 64}
    return distinct(models.VisionTransformer(**size, num_classes=CLASSES))


def swin():
    size = {"patch_size": [2, 2], "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": [4, 4]}
    return distinct(models.SwinTransformer(**size, mlp_ratio=2.0, num_classes=CLASSES))


def densenet(blocks):
    return models.DenseNet(growth_rate=8, block_config=blocks, num_init_features=16, bn_size=4, num_classes=CLASSES)


# family: (network, image size)
FAMILIES = {
    "resnet18-full": (lambda: models.resnet18(), 224),
    "densenet121-full": (lambda: models.densenet121(), 224),
    "resnet-basic": (lambda: narrow(ResNet(BasicBlock, [2, 2, 2, 2], CLASSES), 4), 32),
    "resnet-bottleneck": (lambda: narrow(ResNet(Bottleneck, [2, 2, 1, 1], CLASSES), 8), 32),
    "resnext": (lambda: narrow(ResNet(Bottleneck, [1, 2, 1, 1], CLASSES, groups=8, width_per_group=32), 8), 32),
    "densenet": (lambda: densenet((2, 3, 3, 2)), 32),
    "vgg11": (lambda: narrow(models.vgg11(num_classes=CLASSES), 16), 224),
    "vgg11-bn": (lambda: narrow(models.vgg11_bn(num_classes=CLASSES), 16), 224),
    "vgg16": (lambda: narrow(models.vgg16(num_classes=CLASSES), 16), 224),
    "alexnet": (lambda: narrow(models.alexnet(num_classes=CLASSES), 16), 224),
    "squeezenet1_0": (lambda: narrow(models.squeezenet1_0(num_classes=CLASSES), 4), 64),
    "squeezenet1_1": (lambda: narrow(models.squeezenet1_1(num_classes=CLASSES), 4), 64),
    "googlenet": (lambda: googlenet(), 64),
    "googlenet-transform": (lambda: googlenet(transform_input=True), 64),
    "mobilenet_v2": (lambda: models.MobileNetV2(num_classes=CLASSES, width_mult=0.25), 32),
    "mnasnet": (lambda: models.MNASNet(0.25, num_classes=CLASSES), 32),
    "inception_v3": (inception, 80),
    "shufflenet_v2": (lambda: models.ShuffleNetV2([2, 3, 2], [8, 16, 32, 64, 64], num_classes=CLASSES), 32),
    "efficientnet": (efficientnet, 32),
    "regnet": (regnet, 32),
    "mobilenet_v3": (mobilenet_v3, 32),
    "convnext": (convnext, 32),
    "vit": (vit, 32),
    "swin": (swin, 32),
}

# (family, exporter, batch norm, opset, dynamic axes, tag). Batch norm: 'kept', 'folded' into Conv, or 'none' where the
# network has none; dynamo keeps it with optimize=False. Dynamic: '' none, 'batch', or 'spatial' for batch, height and width. Tag: 'fresh' leaves batch
# norm and zero biases as a new network has them, so that the exporter shares equal tensors through Identity nodes.
ROWS = [
    ("resnet18-full", "script", "kept", 16, "", ""),
    ("resnet18-full", "script", "folded", 16, "", ""),
    ("densenet121-full", "script", "kept", 16, "", ""),
    ("densenet121-full", "script", "folded", 16, "", ""),
    ("resnet-basic", "script", "kept", 16, "batch", ""),
    ("resnet-basic", "script", "kept", 11, "", "fresh"),
    ("resnet-basic", "script", "folded", 9, "", ""),
    ("resnet-basic", "script", "folded", 16, "spatial", ""),
    ("resnet-basic", "dynamo", "folded", 18, "", ""),
    ("resnet-basic", "dynamo", "kept", 23, "batch", ""),
    ("resnet-bottleneck", "script", "kept", 16, "", ""),
    ("resnet-bottleneck", "script", "folded", 13, "batch", ""),
    ("resnet-bottleneck", "dynamo", "folded", 23, "spatial", ""),
    ("resnext", "script", "kept", 16, "", ""),
    ("resnext", "script", "folded", 11, "", ""),
    ("resnext", "dynamo", "folded", 20, "batch", ""),
    ("densenet", "script", "kept", 9, "", ""),
    ("densenet", "script", "kept", 16, "spatial", ""),
    ("densenet", "script", "folded", 11, "batch", ""),
    ("densenet", "dynamo", "folded", 20, "batch", ""),
    ("densenet", "dynamo", "kept", 25, "", ""),
    ("vgg11", "script", "none", 9, "", ""),
    ("vgg11", "dynamo", "none", 18, "batch", ""),
    ("vgg11-bn", "script", "kept", 16, "batch", ""),
    ("vgg11-bn", "script", "folded", 13, "", ""),
    ("vgg11-bn", "dynamo", "kept", 20, "", ""),
    ("vgg16", "script", "none", 16, "batch", ""),
    ("alexnet", "script", "none", 9, "", ""),
    ("alexnet", "script", "none", 16, "batch", ""),
    ("alexnet", "dynamo", "none", 25, "batch", ""),
    ("squeezenet1_0", "script", "none", 9, "", ""),
    ("squeezenet1_0", "dynamo", "none", 18, "", ""),
    ("squeezenet1_1", "script", "none", 13, "", "fresh"),
    ("squeezenet1_1", "script", "none", 16, "spatial", ""),
    ("squeezenet1_1", "dynamo", "none", 23, "batch", ""),
    ("googlenet", "script", "kept", 16, "batch", ""),
    ("googlenet", "script", "folded", 9, "", ""),
    ("googlenet-transform", "script", "folded", 11, "spatial", ""),
    ("googlenet", "dynamo", "folded", 18, "batch", ""),
    ("googlenet-transform", "dynamo", "kept", 23, "", ""),
    ("mobilenet_v2", "script", "kept", 16, "batch", ""),
    ("mobilenet_v2", "script", "folded", 9, "", ""),
    ("mobilenet_v2", "script", "folded", 11, "spatial", ""),
    ("mobilenet_v2", "dynamo", "folded", 18, "batch", ""),
    ("mobilenet_v2", "dynamo", "kept", 23, "spatial", ""),
    ("mnasnet", "script", "kept", 16, "", ""),
    ("mnasnet", "script", "folded", 9, "batch", ""),
    ("mnasnet", "dynamo", "folded", 20, "batch", ""),
    ("inception_v3", "script", "kept", 16, "", ""),
    ("inception_v3", "script", "folded", 9, "batch", ""),
    ("inception_v3", "dynamo", "folded", 18, "batch", ""),
    ("shufflenet_v2", "script", "kept", 16, "", ""),
    ("shufflenet_v2", "script", "folded", 9, "", ""),
    ("shufflenet_v2", "script", "folded", 13, "batch", ""),
    ("shufflenet_v2", "script", "folded", 16, "spatial", ""),
    ("shufflenet_v2", "dynamo", "folded", 18, "batch", ""),
    ("shufflenet_v2", "dynamo", "kept", 23, "spatial", ""),
    ("efficientnet", "script", "kept", 16, "", ""),
    ("efficientnet", "script", "folded", 11, "batch", ""),
    ("efficientnet", "dynamo", "folded", 20, "batch", ""),
    ("regnet", "script", "kept", 16, "", ""),
    ("regnet", "script", "folded", 13, "batch", ""),
    ("regnet", "dynamo", "folded", 23, "batch", ""),
    ("mobilenet_v3", "script", "kept", 16, "", ""),
    ("mobilenet_v3", "script", "folded", 11, "batch", ""),
    ("mobilenet_v3", "dynamo", "folded", 18, "batch", ""),
    ("convnext", "script", "none", 11, "batch", ""),
    ("convnext", "script", "none", 16, "", ""),
    ("convnext", "dynamo", "none", 18, "batch", ""),
    ("convnext", "dynamo", "none", 23, "", ""),
    ("vit", "script", "none", 11, "", ""),
    ("vit", "script", "none", 16, "batch", ""),
    ("vit", "dynamo", "none", 18, "batch", ""),
    ("vit", "dynamo", "none", 23, "", ""),
    ("swin", "dynamo", "none", 18, "", ""),
    ("swin", "dynamo", "none", 23, "batch", ""),
]


def file_name(row):
    family, exporter, batch_norm, opset, dynamic, tag = row
    style = "" if batch_norm == "none" else batch_norm
    parts = [family, tag, style, str(opset), dynamic, "dynamo" if exporter == "dynamo" else ""]
    return "-".join(p for p in parts if p)


def make(row):
    family, _, _, _, dynamic, tag = row
    build, size = FAMILIES[family]
    torch.manual_seed(0)
    net = build().eval()
    for m in net.modules():
        if tag == "fresh" and isinstance(m, nn.Conv2d) and m.bias is not None:
            m.bias.data.zero_()
        if tag != "fresh" and isinstance(m, nn.modules.batchnorm._BatchNorm):
            for tensor in (m.running_mean, m.bias.data):
                tensor.normal_(0, 0.1)
            for tensor in (m.running_var, m.weight.data):
                tensor.uniform_(0.5, 1.5)
    # torch.export takes a size of 1 for a constant, so the batch and the last feature maps must be larger to be dynamic.
    side = 2 * size if dynamic == "spatial" else size
    return net, torch.randn(2 if dynamic else 1, 3, side, side)


def export_script(row, net, image):
    _, _, batch_norm, opset, dynamic, _ = row
    options = {}
    if batch_norm == "kept":
        options = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    if dynamic:
        axes = {0: "batch"} if dynamic == "batch" else {0: "batch", 2: "height", 3: "width"}
        options["dynamic_axes"] = {"input": axes, "output": {0: "batch"}}
    out = io.BytesIO()
    torch.onnx.export(net, (image,), out, opset_version=opset, input_names=["input"], output_names=["output"], **options)
    return onnx.load_from_string(out.getvalue())


def export_dynamo(row, net, image):
    _, _, batch_norm, opset, dynamic, _ = row
    shapes = None
    if dynamic:
        dim = torch.export.Dim
        axes = {0: dim("batch")}
        if dynamic == "spatial":
            axes.update({2: dim("height", min=32), 3: dim("width", min=32)})
        shapes = (axes,)
    program = torch.onnx.export(
        net, (image,), dynamo=True, opset_version=opset, optimize=batch_norm != "kept", dynamic_shapes=shapes,
        input_names=["input"], output_names=["output"], verbose=False,
    )
    return program.model_proto


def keep_structure(model):
    """Drops the content of float tensors and metadata that only holds of the exporting machine; what masks are made of stays."""
    scattered = {node.input[2] for node in model.graph.node if node.op_type == "ScatterND"}
    for tensor in model.graph.initializer:
        size = 1
        for d in tensor.dims:
            size *= d
        if size > KEEP and tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in scattered:
            for field in ("raw_data", "float_data"):
                tensor.ClearField(field)
    owners = [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info,
              *model.graph.initializer]
    for owner in owners:
        entries = list(getattr(owner, "metadata_props", ()))
        if entries:
            del owner.metadata_props[:]
            owner.metadata_props.extend(e for e in entries if e.key in KEPT_METADATA)


def write_files(exporter):
    for row in ROWS:
        if row[1] != exporter or (len(sys.argv) > 2 and not file_name(row).startswith(sys.argv[2])):
            continue
        net, image = make(row)
        # Without gradients the older PyTorch runs attention as one operator, which it cannot export.
        with torch.set_grad_enabled(row[0] == "vit"):
            model = (export_script if exporter == "script" else export_dynamo)(row, net, image)
        keep_structure(model)
        data = model.SerializeToString()
        if b"site-packages" in data or b"dist-packages" in data:
            raise RuntimeError(f"{file_name(row)} still holds a path of this machine")
        with open(os.path.join(HERE, file_name(row) + ".onnx"), "wb") as file:
            file.write(data)
        print(f"{file_name(row):45} {len(model.graph.node):5} nodes {len(data):8} bytes", flush=True)


def write_index():
    entries = []
    for row in ROWS:
        family, exporter, batch_norm, opset, dynamic, _ = row
        size = FAMILIES[family][1]
        model = onnx.load(os.path.join(HERE, file_name(row) + ".onnx"))
        entries.append({
            "name": file_name(row), "family": family, "exporter": exporter, "batchNorm": batch_norm, "opset": opset,
            "dynamic": dynamic or "none", "input": [2 if dynamic else 1, 3, size, size], "nodes": len(model.graph.node),
            "operators": sorted({node.op_type for node in model.graph.node}),
        })
    with open(os.path.join(HERE, "index.json"), "w") as file:
        file.write("[\n" + ",\n".join("  " + json.dumps(e) for e in entries) + "\n]\n")


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what in ("script", "dynamo"):
        write_files(what)
    elif what == "index":
        write_index()
    else:
        sys.exit(__doc__)
