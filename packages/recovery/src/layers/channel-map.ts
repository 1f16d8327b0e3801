/**
 * Layers that are too wide for a fit of every weight: what a fit of whole channels must know of them. It must not run models.
 */
import { find } from '@onnx-pruning/depgraph';
import { constantTensors, type NodeProto, readNumbers } from '@onnx-pruning/onnx';
import { axesOf, isPruned, type PlannedRemoval } from '@onnx-pruning/proof';
import { type Matrix, matrix } from '../solve/matrix.ts';
import { algebraOf } from './changed-nodes.ts';
import type { ChannelMap, Refittable } from './refittable.ts';

/** What a fit of channels must know of a layer; undefined for layers whose channels cannot be told apart. */
export function channelMapOf(planned: PlannedRemoval, layer: Refittable): ChannelMap | undefined {
  const { map, input, node } = layer;
  const before = planned.original.graph.node.find(({ output }) => output[0] === node.output[0]);
  const term = axesOf(planned, input).at(map.outputAxis);
  if (map.groups !== 1 || before === undefined || term === undefined) return undefined;
  if (planned.kept.perGroup(term)) return undefined;
  const block = blockOf(planned, layer);
  const size = planned.kept.sizeBefore(term) / block;
  const starts = planned.kept.of(term)?.filter((at) => at % block === 0);
  const kept = starts ? Array.from(starts, (at) => at / block) : Array.from({ length: size }, (_, c) => c);
  if (kept.length * block * map.taps !== map.inputs) return undefined;
  return { block, before: size, kept, weights: () => weightsOf(planned, layer, before, size) };
}

/** A flattened image has a channel's positions behind each other: factors that nothing is removed from. */
function blockOf(planned: PlannedRemoval, { map, input }: Refittable): number {
  const term = find(axesOf(planned, input).at(map.outputAxis)!);
  if (term.kind !== 'product') return 1;
  const last = term.factors.findLastIndex((factor) => isPruned(planned, factor));
  return term.factors.slice(last + 1).reduce((n, factor) => n * planned.kept.sizeBefore(factor), last < 0 ? 0 : 1) || 1;
}

function weightsOf(
  planned: PlannedRemoval,
  { map, weight, target }: Refittable,
  before: NodeProto,
  channels: number,
): Matrix {
  const { original } = planned;
  const algebra = algebraOf(planned, original, original.graph.node)(before);
  const tensor = constantTensors(original.graph).get(weight);
  if (algebra?.kind !== 'linear' || !algebra.map || !tensor) throw new Error(`internal: '${weight}' is no weight`);
  const { outputs } = algebra.map;
  const numbers = algebra.map.matrices(readNumbers(tensor))[0]!;
  const columns = target.kept ?? Array.from({ length: outputs }, (_, j) => j);
  const rows = numbers.length / outputs;
  const found = matrix(channels, (rows / channels) * columns.length);
  for (let i = 0, at = 0; i < rows; i++) {
    for (const j of columns) found.data[at++] = numbers[i * outputs + j]! * map.scale.product;
  }
  return found;
}
