/**
 * Which layers of a pruned model are refitted, in which order, and what each of them should compute: what it computed in
 * the original, at the channels that stay; or, where its result is added to another value, what is missing there to the
 * original's sum, so that it makes up for what earlier layers could not. It must not run models.
 */
import {
  constantTensors,
  DataType,
  type Model,
  type NodeProto,
  type TensorProto,
  tensorDims,
  tensorSize,
  usedNames,
} from '@onnx-pruning/onnx';
import type { Algebra, ChannelAffine, LinearMap } from '@onnx-pruning/ops';
import { axesOf, isPruned, type PlannedRemoval } from '@onnx-pruning/proof';
import { modelInputs } from '@onnx-pruning/runtime';
import type { Matrix } from '../solve/matrix.ts';
import { type AlgebraOf, algebraOf, changedNodes } from './changed-nodes.ts';

/** A constant that a summand of the layer's output can be put into. */
export interface BiasPlace {
  readonly constant: string;
  /** `added`: to the output itself; `subtracted`: from it, as the mean of a BatchNormalization is. */
  readonly how: 'added' | 'subtracted';
}

/** The channels of a layer's input: here and in the original. */
export interface ChannelMap {
  /** Numbers of the input that belong to one channel, and follow each other along the axis that is multiplied. */
  readonly block: number;
  /** Channels that the original has. */
  readonly before: number;
  /** Those that stay, as indices into them. */
  readonly kept: readonly number[];
  /** What the original multiplies its channels with, at the outputs that stay: one row for each of its channels. */
  weights(): Matrix;
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
  /** Its channels, where whole channels are fitted instead of every weight. */
  readonly channels?: ChannelMap;
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
  readonly behind: ChannelAffine | undefined;
}

/** A layer that keeps its weights although its inputs have changed. */
export interface NotRefitted {
  /** Its name, as `model.layers()` has it. */
  readonly layer: string;
  /** What stands in the way, as part of a sentence. */
  readonly reason: string;
}

const FLOATS: ReadonlySet<number> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE]);

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

type Linear = Extract<Algebra, { kind: 'linear' }>;

class Search {
  readonly #planned: PlannedRemoval;
  readonly #order: readonly NodeProto[];
  readonly #names: ReadonlyMap<NodeProto, string>;
  readonly #constants: ReadonlyMap<string, TensorProto>;
  readonly #algebra: AlgebraOf;
  /** Nodes that use a value; undefined stands for the outputs of the graph. */
  readonly #users = new Map<string, (NodeProto | undefined)[]>();
  /** Where each value is computed; inputs and constants are there from the start. */
  readonly #positions = new Map<string, number>();
  /** Values that depend on an input of the graph. */
  readonly #dynamic: Set<string>;

  constructor(planned: PlannedRemoval, pruned: Model, order: readonly NodeProto[]) {
    this.#planned = planned;
    this.#order = order;
    this.#names = new Map(pruned.layers().map(({ node, name }) => [node, name]));
    this.#constants = constantTensors(pruned.graph);
    this.#algebra = algebraOf(planned, pruned, order);
    this.#dynamic = new Set(modelInputs(pruned).map(({ name }) => name));
    for (const [at, node] of order.entries()) {
      const used = new Set(usedNames(node));
      // The size of a weight stays as it is.
      if (this.#algebra(node)?.kind !== 'sizes') for (const name of used) this.#noteUser(name, node);
      const isDynamic = [...used].some((name) => this.#dynamic.has(name));
      for (const name of node.output) {
        this.#positions.set(name, at);
        if (isDynamic) this.#dynamic.add(name);
      }
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
    const changed = changedNodes(this.#planned, this.#order);
    for (const [position, node] of this.#order.entries()) {
      const algebra = changed.has(node) ? this.#algebra(node) : undefined;
      // A product of two values that depend on the inputs has no weights.
      if (algebra?.kind !== 'linear' || node.input.slice(0, 2).every((name) => this.#dynamic.has(name))) continue;
      const name = this.#names.get(node) ?? node.output[0] ?? '';
      const found = this.#layer(node, position, algebra);
      if (typeof found === 'string') left.push({ layer: name, reason: found });
      else layers.push({ ...found, name });
    }
    return { layers, left };
  }

  /** The layer, or why its weights cannot be refitted. */
  #layer(node: NodeProto, position: number, { map, ...at }: Linear): Omit<Refittable, 'name'> | string {
    const [input, weight] = [node.input[at.value] ?? '', node.input[at.weight] ?? ''];
    const tensor = this.#constants.get(weight);
    if (tensor === undefined) {
      return this.#dynamic.has(weight) ? 'its weights are on the left' : 'its weights are computed by other nodes';
    }
    if (!FLOATS.has(tensor.dataType ?? 0)) return 'its weights are not floating-point numbers';
    if (!map) return 'this form of its operator is not known to reconstruction';
    const users = this.#users.get(weight)?.length ?? 0;
    if (users > 1) return `its weights are shared by ${users} nodes`;
    const place = this.#bias(node, map);
    if (typeof place === 'string') return place;
    const target = this.#target(place.output, map, position);
    if (typeof target === 'string') return target;
    return { node, position, map, input, weight, bias: place.bias, target };
  }

  /** Where the bias of a layer is, and the value that has it; or why the layer cannot be refitted. */
  #bias(node: NodeProto, map: LinearMap): { bias: BiasPlace | undefined; output: string } | string {
    const output = node.output[0] ?? '';
    const given = map.bias === undefined ? '' : (node.input[map.bias] ?? '');
    if (given !== '') {
      if (this.#isOwn(given, map)) return { bias: { constant: given, how: 'added' }, output };
      return 'its bias is computed, shared, or not one number for each channel';
    }
    const next = this.#next(output);
    if (next?.algebra?.kind === 'affine') {
      const subtracted = next.node.input[next.algebra.statistics.mean] ?? '';
      if (this.#isOwn(subtracted, map)) return { bias: { constant: subtracted, how: 'subtracted' }, output };
    }
    const added = next?.algebra?.kind === 'sum' ? (next.node.input.find((name) => name !== output) ?? '') : '';
    if (map.outputAxis === -1 && this.#isOwn(added, map)) {
      return { bias: { constant: added, how: 'added' }, output: next?.node.output[0] ?? '' };
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
    const next = this.#next(output);
    // What makes a channel constant cannot be turned back.
    const behind = next?.algebra?.kind === 'affine' && !next.algebra.of.scale.includes(0) ? next.algebra.of : undefined;
    const branch = behind ? (next?.node.output[0] ?? '') : output;
    const sum = this.#next(branch);
    const added = sum?.algebra?.kind === 'sum' ? sum.node.input.find((name) => name !== branch) : undefined;
    const isReady = added !== undefined && this.#isComputedBefore(added, position) && this.#areAlike(added, branch);
    if (!isReady) return { value: output, kept, added: undefined, behind: undefined };
    return { value: sum?.node.output[0] ?? '', kept, added, behind };
  }

  #isComputedBefore(value: string, position: number): boolean {
    return !this.#constants.has(value) && (this.#positions.get(value) ?? -1) < position;
  }

  /** Whether two values have the same sizes, so that their sum repeats neither. */
  #areAlike(a: string, b: string): boolean {
    const [one, other] = [a, b].map((name) => this.#planned.graph.analysis.shapes.values.get(name)?.dims?.join());
    return one !== undefined && one === other;
  }

  /** The node that alone uses a value, as its data, and what it computes. */
  #next(value: string): { readonly node: NodeProto; readonly algebra: Algebra | undefined } | undefined {
    const [node, ...others] = this.#users.get(value) ?? [];
    if (node === undefined || others.length > 0) return undefined;
    const algebra = this.#algebra(node);
    const isData = algebra?.kind !== 'affine' || node.input[0] === value;
    return isData ? { node, algebra } : undefined;
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
