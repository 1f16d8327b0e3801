/**
 * The ground that random graphs are built on: a pool of values with their sizes, choices that come from a list of
 * numbers (so that a failing graph shrinks), and nodes whose form depends on the opset. It decides nothing at random.
 */
import { createRandom, GraphBuilder, type Model, type Random } from '@onnx-pruning/onnx';

/** Which sizes of the inputs are symbols. */
export type Dynamic = 'none' | 'batch' | 'spatial';

export interface GraphOptions {
  readonly opset: number;
  readonly dynamic: Dynamic;
  /** Seed of the weights. */
  readonly seed: number;
}

/** A value with the sizes that it has when the inputs have theirs. */
export interface Value {
  readonly name: string;
  readonly dims: readonly number[];
}

/** An element of a reshape target: a number, or the size of an axis of the reshaped value. */
export type TargetSize = number | { readonly axis: number };

/** Choices read off a list of numbers; when it is used up, the first of everything. */
export class Choices {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  int(n: number): number {
    return (this.#numbers[this.#at++] ?? 0) % n;
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.int(n) === n - 1;
  }

  of<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!;
  }

  /** A sublist in order; not empty where the list is not. */
  some<T>(list: readonly T[]): T[] {
    const chosen = list.filter(() => this.int(3) > 0);
    return chosen.length > 0 ? chosen : list.slice(0, 1);
  }
}

export const BATCH = 2;
export const SIZE = 4;

export class RandomGraph {
  readonly builder: GraphBuilder;
  readonly opset: number;
  readonly dynamic: Dynamic;
  /** Values that later nodes may use. */
  readonly pool: Value[] = [];
  /** Sizes of the symbols of the inputs. */
  readonly sizes: Record<string, number> = {};
  readonly #random: Random;
  readonly #ints = new Map<string, string>();
  readonly #used = new Set<string>();
  readonly #vectors = new Map<number, string>();
  #names = 0;

  constructor({ opset, dynamic, seed }: GraphOptions) {
    this.builder = new GraphBuilder({ opset });
    this.opset = opset;
    this.dynamic = dynamic;
    this.#random = createRandom(seed);
  }

  fresh(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** An input image or matrix; not in the pool. */
  input(dims: readonly number[]): Value {
    const name = this.fresh('input');
    const symbols = dims.map((size, axis): number | string => {
      const symbol = axis === 0 ? 'batch' : axis >= 2 && size === SIZE ? 'hw'[axis - 2] : undefined;
      const open = symbol !== undefined && (axis === 0 ? this.dynamic !== 'none' : this.dynamic === 'spatial');
      if (open) this.sizes[symbol] = size;
      return open ? symbol : size;
    });
    return { name: this.builder.input(name, symbols), dims };
  }

  /** A random parameter, scaled so that a sum over `fanIn` of them stays in bounds. */
  parameter(name: string, dims: readonly number[], fanIn = 1): string {
    const scale = 1 / Math.sqrt(fanIn);
    return this.builder.initializer(name, dims, (size) =>
      Float32Array.from({ length: size }, () => this.#random.normal() * scale),
    );
  }

  /** A random positive parameter. */
  positive(name: string, dims: readonly number[]): string {
    return this.builder.initializer(name, dims, (size) =>
      Float32Array.from({ length: size }, () => 0.5 + this.#random.next()),
    );
  }

  /** A positive vector: a new one, or one of the same length that an earlier layer has, as exporters store equal ones. */
  positiveVector(name: string, size: number, shared: boolean): string {
    const known = this.#vectors.get(size);
    const vector = shared && known ? known : this.positive(name, [size]);
    this.#vectors.set(size, vector);
    return vector;
  }

  /** An integer constant; equal ones are one initializer, as some exporters store them. */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const key = `${values} of ${dims}`;
    let name = this.#ints.get(key);
    if (name === undefined) {
      name = this.builder.ints(this.fresh('ints'), values, dims);
      this.#ints.set(key, name);
    }
    return name;
  }

  node(...args: Parameters<GraphBuilder['node']>): string {
    for (const name of args[1]) this.#used.add(name);
    return this.builder.node(...args);
  }

  nodes(...args: Parameters<GraphBuilder['nodeOutputs']>): string[] {
    for (const name of args[1]) this.#used.add(name);
    return this.builder.nodeOutputs(...args);
  }

  add(name: string, dims: readonly number[]): Value {
    const value = { name, dims };
    this.pool.push(value);
    return value;
  }

  /** Makes a value an output of the graph, once. */
  expose({ name }: Value): void {
    if (this.builder.graph().output.every((output) => output.name !== name)) this.builder.output(name);
  }

  /** Values of the pool that no node uses. */
  loose(): Value[] {
    return this.pool.filter(({ name }) => !this.#used.has(name));
  }

  /** A node whose axes are an attribute before opset `since`, and an input from then on. */
  withAxes(opType: string, x: string, axes: readonly number[], since: number, attributes = {}): string {
    if (this.opset < since) return this.node(opType, [x], { axes, ...attributes });
    return this.node(opType, [x, this.ints(axes)], attributes);
  }

  /** Reshapes to sizes that are constant, copied (`0`) or computed from the shape of the value. */
  reshape(x: Value, target: readonly TargetSize[], computed: boolean): Value {
    const dims = target.map((size) => (typeof size === 'number' ? size : x.dims[size.axis]!));
    const shape = computed ? this.#computedShape(x, target) : this.#constantShape(x, target);
    return { name: this.node('Reshape', [x.name, shape]), dims };
  }

  #constantShape(x: Value, target: readonly TargetSize[]): string {
    const symbolic = target.filter((size) => typeof size !== 'number' && this.#isSymbolic(x, size.axis));
    const copied = symbolic.every((size) => target.indexOf(size) === (size as { axis: number }).axis);
    if (!copied && symbolic.length > 1) return this.#computedShape(x, target);
    const element = (size: TargetSize, position: number): number => {
      if (typeof size === 'number') return size;
      if (!symbolic.includes(size)) return x.dims[size.axis]!;
      return size.axis === position ? 0 : -1;
    };
    return this.ints(target.map(element));
  }

  #isSymbolic(x: Value, axis: number): boolean {
    if (axis === 0) return this.dynamic !== 'none';
    return this.dynamic === 'spatial' && x.dims.length >= 3 && axis >= 1;
  }

  #computedShape(x: Value, target: readonly TargetSize[]): string {
    const shape = this.node('Shape', [x.name]);
    const pieces = target.map((size) =>
      typeof size === 'number' ? this.ints([size]) : this.node('Gather', [shape, this.ints([size.axis])], { axis: 0 }),
    );
    return this.node('Concat', pieces, { axis: 0 });
  }

  build(): Model {
    return this.builder.build();
  }
}
