/**
 * Weights that the graph computes from initializers: weight norm, spectral norm, weight standardization, low-rank
 * updates. Where such a computation sums over an axis or takes a statistic of it, every weight depends on all channels
 * of that axis, and removing some would change the weights that are kept. Here such axes are found, and kept. What only
 * rearranges or scales (transposes, reshapes, products element by element) computes every weight from itself alone and
 * stays free.
 */
import type { NodeProto } from '@onnx-pruning/onnx';
import type { ConstantPart } from '../shapes/constant-part.ts';
import { nodeLabel } from '../shapes/node-view.ts';
import type { Consumption } from './consumption.ts';
import type { DimTerm, FixedReason } from './term.ts';

/** The equations that were stated, as far as they matter here. */
interface StatedEquations {
  readonly axes: ReadonlyMap<string, readonly DimTerm[]>;
  readonly consumptions: readonly Consumption[];
  readonly mixings: readonly Consumption[];
}

/** An axis over which weights are computed, and why it stays. */
export interface ComputedAxis {
  readonly term: DimTerm;
  readonly reason: FixedReason;
}

/**
 * Axes over which weights of layers are computed.
 * @param nodes of the graph, in order
 */
export function computedWeightAxes(
  nodes: readonly NodeProto[],
  constants: ConstantPart,
  equations: StatedEquations,
): ComputedAxis[] {
  const computing = nodesBehind(computedWeights(nodes, constants), constants);
  if (computing.size === 0) return [];
  return [...equations.consumptions, ...equations.mixings].flatMap(({ node, value, axis }): ComputedAxis[] => {
    const layer = computing.get(node);
    const term = equations.axes.get(value)?.[axis];
    if (layer === undefined || term === undefined) return [];
    const because = `the weights of '${layer}' are computed from all channels of it`;
    return [{ term, reason: { because, node: nodeLabel(node), operator: node.opType ?? '' } }];
  });
}

/** Computed values that take the place of a parameter of a layer, and the layer that each is for. */
function computedWeights(nodes: readonly NodeProto[], constants: ConstantPart): Map<string, string> {
  const weights = new Map<string, string>();
  for (const node of nodes) {
    if (constants.has(node) || !node.input.some((name) => constants.producerOf(name))) continue;
    const spec = constants.layerOf(node, () => true);
    for (const { input } of spec?.parameters ?? []) {
      const producer = constants.producerOf(node.input[input] ?? '');
      // What a layer computes from a constant and is then added or multiplied is an activation: a learned query.
      const isActivation = spec?.kind === 'parameter' && producer && constants.layerOf(producer, () => false);
      if (producer && !isActivation) weights.set(node.input[input], nodeLabel(node));
    }
  }
  return weights;
}

/** Nodes that take part in computing weights, and the layer that the weights are for. */
function nodesBehind(weights: ReadonlyMap<string, string>, constants: ConstantPart): Map<NodeProto, string> {
  const found = new Map<NodeProto, string>();
  const open = [...weights];
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, layer] = next;
    const node = constants.producerOf(value);
    if (!node || found.has(node)) continue;
    found.set(node, layer);
    for (const name of node.input) open.push([name, layer]);
  }
  return found;
}
