/** Operators whose results are drawn anew in every run (ONNX specification): two models that hold them agree only by chance. */
import { attrInt, type NodeProto, readNumbers, type TensorProto } from '@onnx-pruning/onnx';

const RANDOM: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
]);

/**
 * Whether a node draws random numbers. Dropout does while it trains: stated by an input since opset 12, which counts as
 * true where it is no constant, and by an attribute before opset 7.
 */
export function drawsRandomNumbers(node: NodeProto, constants: ReadonlyMap<string, TensorProto>): boolean {
  if ((node.domain ?? '') !== '' && node.domain !== 'ai.onnx') return false;
  if (RANDOM.has(node.opType ?? '')) return true;
  if (node.opType !== 'Dropout') return false;
  const name = node.input[2] ?? '';
  if (name === '') return attrInt(node, 'is_test', 1) === 0;
  const training = constants.get(name);
  return training === undefined || readNumbers(training)[0] !== 0;
}
