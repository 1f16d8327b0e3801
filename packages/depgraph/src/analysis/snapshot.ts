/**
 * A model as it was at one moment, for its fingerprint: pruning edits models in place, and a plan must say afterwards
 * which model it was made for. Tensor content is shared, not copied.
 */
import {
  type AttributeProto,
  cloneProto,
  type FingerprintedModel,
  type Model,
  shallowCloneProto,
} from '@onnx-pruning/onnx';

/** Nodes and tensors that later edits cannot reach. */
export function snapshotOf({ proto, graph }: Model): FingerprintedModel {
  const node = graph.node.map((one) => {
    const copy = shallowCloneProto(one);
    copy.input = [...one.input];
    copy.attribute = one.attribute.map(withOwnTensor);
    return copy;
  });
  const initializer = graph.initializer.map(shallowCloneProto);
  const copy = { ...shallowCloneProto(graph), node, initializer, input: cloneProto(graph.input) };
  return { opsetImport: proto.opsetImport, functions: proto.functions, graph: copy };
}

/** The value of a Constant node is edited like an initializer. */
function withOwnTensor(attribute: AttributeProto): AttributeProto {
  if (attribute.t === undefined) return attribute;
  const copy = shallowCloneProto(attribute);
  copy.t = shallowCloneProto(attribute.t);
  return copy;
}
