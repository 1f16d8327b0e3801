/**
 * Which layers of a pruned model are refitted, in which order, and what each of them should compute: what it computed in
 * the original, at the channels that stay; or, where its result is added to another value, what is missing there to the
 * original's sum, so that it makes up for what earlier layers could not. It must not run models.
 */
import { termOf } from '@onnx-pruning/depgraph';
import {
  attrFloat,
  attrInt,
  constantTensors,
  DataType,
  type Model,
  type NodeProto,
  readNumbers,
  type TensorProto,
  tensorDims,
  tensorSize,
  usedNames,
} from '@onnx-pruning/onnx';
import { axesOf, isPruned, type PlannedRemoval } from '@onnx-pruning/proof';
import { type LinearMap, linearMapOf, weightInputOf } from './linear-map.ts';

/** A factor and a summand for every channel: BatchNormalization's. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** A constant that a summand of the layer's output can be put into. */
export interface BiasPlace {
  readonly constant: string;
  /** `added`: to the output itself; `subtracted`: from it, as the mean of a BatchNormalization is. */
  readonly how: 'added' | 'subtracted';
}

/** A layer whose weights can be chosen by least squares. */
export interface Refittable {
  /** The name by which users know it. */
  readonly name: string;
  readonly node: NodeProto;
  /** Position of the node in the execution order. */
  readonly position: number;
  readonly map: LinearMap;
  /** The value that is multiplied with the weight. */
  readonly input: string;
  readonly weight: string;
  /** Where its bias is; a layer without one gets none. */
  readonly bias: BiasPlace | undefined;
  readonly target: Target;
}

/** What the layer's output, bias included, should be. */
export interface Target {
  /** A value that the original computes. */
  readonly value: string;
  /** Indices of its channels that stay; undefined for all. */
  readonly kept: Int32Array | undefined;
  /** A value of the pruned model that is added to what the layer gives before it is compared with `value`. */
  readonly added: string | undefined;
  /** What is done to the layer's output before that. */
  readonly behind: Affine | undefined;
}

/** A layer that keeps its weights although its inputs have changed. */
export interface NotRefitted {
  /** Its name, as `model.layers()` has it. */
  readonly layer: string;
  /** What stands in the way, as part of a sentence. */
  readonly reason: string;
}

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE]);

/** Operators that read how large a value is, and none of its numbers. */
const SHAPE_ONLY: ReadonlySet<string> = new Set(['Shape', 'Size']);

/**
 * Finds the layers of a pruned model whose inputs pruning has changed.
 * @param order the nodes in the order in which they are refitted
 */
export function refittableLayers(
  planned: PlannedRemoval,
  pruned: Model,
  order: readonly NodeProto[],
): { readonly layers: readonly Refittable[]; readonly left: readonly NotRefitted[] } {
  return new Search(planned, pruned, order).run();
}

class Search {
  readonly #planned: PlannedRemoval;
  readonly #order: readonly NodeProto[];
  readonly #names: ReadonlyMap<NodeProto, string>;
  readonly #constants: ReadonlyMap<string, TensorProto>;
  /** Nodes that use a value; undefined stands for the outputs of the graph. */
  readonly #users = new Map<string, (NodeProto | undefined)[]>();
  /** Where each value is computed; inputs and constants are there from the start. */
  readonly #positions = new Map<string, number>();

  constructor(planned: PlannedRemoval, pruned: Model, order: readonly NodeProto[]) {
    this.#planned = planned;
    this.#order = order;
    this.#names = new Map(pruned.layers().map(({ node, name }) => [node, name]));
    this.#constants = constantTensors(pruned.graph);
    for (const [at, node] of order.entries()) {
      if (!SHAPE_ONLY.has(node.opType ?? '')) for (const name of new Set(usedNames(node))) this.#noteUser(name, node);
      for (const name of node.output) this.#positions.set(name, at);
    }
    for (const { name = '' } of pruned.graph.output) this.#noteUser(name, undefined);
  }

  #noteUser(name: string, node: NodeProto | undefined): void {
    const known = this.#users.get(name);
    if (known) known.push(node);
    else this.#users.set(name, [node]);
  }

  run(): { layers: Refittable[]; left: NotRefitted[] } {
    const layers: Refittable[] = [];
    const left: NotRefitted[] = [];
    const changed = this.#changedNodes();
    for (const [position, node] of this.#order.entries()) {
      const weight = node.input[weightInputOf(node) ?? -1] ?? '';
      if (!changed.has(node) || weight === '') continue;
      const tensor = this.#constants.get(weight);
      // A product of two values has no weights to refit.
      if (tensor === undefined && node.opType === 'MatMul') continue;
      const name = this.#names.get(node) ?? node.output[0] ?? '';
      const found = tensor ? this.#layer(node, position, weight, tensor) : 'its weights are computed by other nodes';
      if (typeof found === 'string') left.push({ layer: name, reason: found });
      else layers.push({ ...found, name });
    }
    return { layers, left };
  }

  /** Nodes that compute something else than in the original, also at the channels that stay. */
  #changedNodes(): Set<NodeProto> {
    const { analysis } = this.#planned.graph;
    const { consumptions, mixings } = analysis.terms;
    const places = [...consumptions, ...mixings].filter((at) => isPruned(this.#planned, termOf(analysis, at)));
    const losers = new Set(places.map(({ node }) => node.output[0] ?? ''));
    const changed = new Set<NodeProto>();
    const values = new Set<string>();
    for (const node of this.#order) {
      if (!losers.has(node.output[0] ?? '') && !usedNames(node).some((name) => values.has(name))) continue;
      changed.add(node);
      for (const name of node.output) values.add(name);
    }
    return changed;
  }

  /** The layer, or why its weights cannot be refitted. */
  #layer(node: NodeProto, position: number, weight: string, tensor: TensorProto): Omit<Refittable, 'name'> | string {
    if (!FLOATS.has(tensor.dataType ?? 0)) return 'its weights are not floating-point numbers';
    const map = linearMapOf(node, tensorDims(tensor));
    if (!map) return 'this form of its operator is not known to reconstruction';
    const users = this.#users.get(weight)?.length ?? 0;
    if (users > 1) return `its weights are shared by ${users} nodes`;
    const place = this.#bias(node, map);
    if (typeof place === 'string') return place;
    const target = this.#target(place.output, map, position);
    if (typeof target === 'string') return target;
    return { node, position, map, input: node.input[map.input] ?? '', weight, bias: place.bias, target };
  }

  /** Where the bias of a layer is, and the value that has it; or why the layer cannot be refitted. */
  #bias(node: NodeProto, map: LinearMap): { bias: BiasPlace | undefined; output: string } | string {
    const output = node.output[0] ?? '';
    const given = map.bias === undefined ? '' : (node.input[map.bias] ?? '');
    if (given !== '') {
      if (this.#isOwn(given, map)) return { bias: { constant: given, how: 'added' }, output };
      return 'its bias is computed, shared, or not one number for each channel';
    }
    const next = this.#onlyUser(output);
    if (next?.opType === 'BatchNormalization' && attrInt(next, 'training_mode', 0) === 0) {
      const mean = next.input[3] ?? '';
      if (next.input[0] === output && this.#isOwn(mean, map))
        return { bias: { constant: mean, how: 'subtracted' }, output };
    }
    const added = next?.opType === 'Add' ? (next.input.find((name) => name !== output) ?? '') : '';
    if (map.outputAxis === -1 && this.#isOwn(added, map)) {
      return { bias: { constant: added, how: 'added' }, output: next?.output[0] ?? '' };
    }
    return { bias: undefined, output };
  }

  /** Whether a constant holds one number for each channel of a layer, and nothing else uses it. */
  #isOwn(name: string, { groups, outputs }: LinearMap): boolean {
    const tensor = this.#constants.get(name);
    if (tensor === undefined || this.#users.get(name)?.length !== 1) return false;
    return tensorSize(tensor) === groups * outputs && tensorDims(tensor).at(-1) === groups * outputs;
  }

  #target(output: string, { outputAxis }: LinearMap, position: number): Target | string {
    const kept = this.#keptOf(output, outputAxis);
    if (typeof kept === 'string') return kept;
    const next = this.#onlyUser(output);
    const behind = next && this.#batchNormalization(next);
    const branch = behind ? (next?.output[0] ?? '') : output;
    const sum = this.#onlyUser(branch);
    const added = sum?.opType === 'Add' ? sum.input.find((name) => name !== branch) : undefined;
    const isReady = added !== undefined && this.#isComputedBefore(added, position) && this.#areAlike(added, branch);
    if (!isReady) return { value: output, kept, added: undefined, behind: undefined };
    return { value: sum?.output[0] ?? '', kept, added, behind };
  }

  #isComputedBefore(value: string, position: number): boolean {
    return !this.#constants.has(value) && (this.#positions.get(value) ?? -1) < position;
  }

  /** Whether two values have the same sizes, so that their sum repeats neither. */
  #areAlike(a: string, b: string): boolean {
    const [one, other] = [a, b].map((name) => this.#planned.graph.analysis.shapes.values.get(name)?.dims?.join());
    return one !== undefined && one === other;
  }

  #onlyUser(value: string): NodeProto | undefined {
    const users = this.#users.get(value) ?? [];
    return users.length === 1 ? users[0] : undefined;
  }

  /** What a node does that normalizes by constants; undefined for others, and for one that makes channels constant. */
  #batchNormalization(node: NodeProto): Affine | undefined {
    if (node.opType !== 'BatchNormalization' || attrInt(node, 'training_mode', 0) !== 0) return undefined;
    const tensors = node.input.slice(1, 5).map((name) => this.#constants.get(name));
    if (tensors.length < 4 || tensors.some((tensor) => tensor === undefined)) return undefined;
    const [scale, bias, mean, variance] = tensors.map((tensor) => Float64Array.from(readNumbers(tensor!)));
    const epsilon = attrFloat(node, 'epsilon', 1e-5);
    const factors = scale!.map((x, c) => x / Math.sqrt(variance![c]! + epsilon));
    if (factors.some((x) => x === 0)) return undefined;
    return { scale: factors, shift: bias!.map((x, c) => x - mean![c]! * factors[c]!) };
  }

  /** What stays of a value's channels, in the original's numbering; or why that cannot be said. */
  #keptOf(value: string, axis: number): Int32Array | undefined | string {
    const term = axesOf(this.#planned, value).at(axis);
    if (term === undefined) return 'the rank of its output is not known';
    if (!isPruned(this.#planned, term)) return undefined;
    if (this.#planned.kept.perGroup(term)) return 'its groups keep different channels';
    return this.#planned.kept.of(term);
  }
}
