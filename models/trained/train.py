"""Made the files in this folder: a small residual network that PyTorch trained on Fashion-MNIST, and the samples for it.

Why: accuracy cannot be tested on random weights. Nothing in the project runs this; it says how the files came about.

  python3 train.py network DATA     trains and writes fashion-resnet.onnx and logits.npy (of all test images; not kept)
  python3 train.py samples DATA     draws the samples and prints how many the trained network has right

DATA is a folder with the four .gz files of Fashion-MNIST. Made with torch 2.15, NumPy 2 and onnxruntime.
"""
import gzip
import os
import struct
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "fashion-resnet.onnx")
SEED, EPOCHS, BATCH, LEARNING_RATE, DECAY, WIDTHS = 1, 8, 128, 0.2, 5e-4, (24, 48, 72)
MEAN, STD, PAD = 0.286, 0.353, 2
"""The preset fashion-mnist of packages/data: black pixels added, bytes made shares, normalized; three equal channels."""
CALIBRATION, TEST = 1024, 2000


def read(folder, name):
    with gzip.open(os.path.join(folder, name)) as file:
        content = file.read()
    axes = content[3]
    dims = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(dims)


def write(name, array):
    """IDX, compressed; without the time, so that the same samples give the same bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    with open(os.path.join(HERE, name), "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(header + array.tobytes())


def prepared(images):
    padded = np.pad(images, ((0, 0), (PAD, PAD), (PAD, PAD))).astype(np.float32)
    return ((padded / np.float32(255) - np.float32(MEAN)) / np.float32(STD))[:, None]


def samples(folder):
    import onnxruntime

    test_images, test_labels = read(folder, "t10k-images-idx3-ubyte.gz"), read(folder, "t10k-labels-idx1-ubyte.gz")
    random = np.random.default_rng(SEED)
    calibration = np.sort(random.choice(60_000, CALIBRATION, replace=False))
    test = np.sort(random.choice(10_000, TEST, replace=False))
    write("calibration-images-idx3-ubyte.gz", read(folder, "train-images-idx3-ubyte.gz")[calibration])
    write("test-images-idx3-ubyte.gz", test_images[test])
    write("test-labels-idx1-ubyte.gz", test_labels[test])

    session = onnxruntime.InferenceSession(MODEL)
    x = np.repeat(prepared(test_images), 3, axis=1)
    logits = np.concatenate([session.run(None, {"input": x[i : i + 500]})[0] for i in range(0, len(x), 500)])
    tell("onnxruntime", logits, test_labels, test)
    path = os.path.join(HERE, "logits.npy")
    if os.path.exists(path):
        of_torch = np.load(path)
        tell("torch", of_torch, test_labels, test)
        print(f"largest difference of a logit: {np.abs(of_torch - logits).max():.2g}")


def tell(name, logits, labels, test):
    is_right = logits.argmax(1) == labels
    top = np.sort(logits[test], axis=1)
    print(f"{name}: {is_right.sum()} of {len(labels)} right, {is_right[test].sum()} of the {len(test)} drawn;")
    print(f"  nearest two best logits among the drawn: {np.sort(top[:, -1] - top[:, -2])[:3]}")


def network(folder):
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.manual_seed(SEED)
    train_x = torch.from_numpy(prepared(read(folder, "train-images-idx3-ubyte.gz")))
    train_y = torch.from_numpy(read(folder, "train-labels-idx1-ubyte.gz").astype(np.int64))
    test_x = torch.from_numpy(prepared(read(folder, "t10k-images-idx3-ubyte.gz")))
    test_y = torch.from_numpy(read(folder, "t10k-labels-idx1-ubyte.gz").astype(np.int64))

    class Block(nn.Module):
        def __init__(self, c_in, c_out, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(c_out)
            self.relu1 = nn.ReLU()
            self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(c_out)
            self.relu2 = nn.ReLU()
            self.downsample = None
            if stride != 1 or c_in != c_out:
                self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

        def forward(self, x):
            out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
            return self.relu2(out + (x if self.downsample is None else self.downsample(x)))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            a, b, c = WIDTHS
            self.conv1 = nn.Conv2d(3, a, 3, 2, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(a)
            self.relu = nn.ReLU()
            self.layer1 = nn.Sequential(Block(a, a, 1), Block(a, a, 1))
            self.layer2 = nn.Sequential(Block(a, b, 2), Block(b, b, 1))
            self.layer3 = nn.Sequential(Block(b, c, 2), Block(c, c, 1))
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Linear(c, 10)

        def forward(self, x):
            x = self.relu(self.bn1(self.conv1(x)))
            return self.fc(torch.flatten(self.pool(self.layer3(self.layer2(self.layer1(x)))), 1))

    def three(x):
        return x.expand(-1, 3, -1, -1)

    def augmented(x):
        """Every image mirrored or not, and a batch moved by a pixel at most; the two outermost pixels are black."""
        flip = torch.rand(len(x)) < 0.5
        x = torch.where(flip[:, None, None, None], x.flip(3), x)
        dy, dx = np.random.default_rng(int(torch.randint(1 << 30, (1,)))).integers(-1, 2, 2)
        return torch.roll(x, (int(dy), int(dx)), (2, 3))

    net = Net()

    def logits_of_test():
        net.eval()
        with torch.no_grad():
            return torch.cat([net(three(test_x[i : i + 500])) for i in range(0, len(test_x), 500)])

    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, lr=LEARNING_RATE, momentum=0.9, nesterov=True)
    steps = len(train_x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=EPOCHS * steps, pct_start=0.25, div_factor=10, final_div_factor=1000
    )
    for epoch in range(EPOCHS):
        net.train()
        order = torch.randperm(len(train_x))
        for i in range(steps):
            at = order[i * BATCH : (i + 1) * BATCH]
            loss = F.cross_entropy(net(three(augmented(train_x[at]))), train_y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch}: {int((logits_of_test().argmax(1) == test_y).sum())} of {len(test_y)} right", flush=True)

    np.save(os.path.join(HERE, "logits.npy"), logits_of_test().numpy())
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, 32, 32),),
        MODEL,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        opset_version=17,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )


if __name__ == "__main__":
    {"network": network, "samples": samples}[sys.argv[1]](sys.argv[2])
