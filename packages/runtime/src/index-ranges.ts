/**
 * What a model allows the integers in each of its inputs to be: those that end up as positions along an axis (token ids,
 * classes, indices) may take every one, lengths go from one to all steps. Followed forward from the input, at the sizes
 * of one run; it must not run the model.
 */
import { inferShapes, registryWith, ShapeError } from '@onnx-pruning/depgraph';
import {
  constantTensors,
  DataType,
  greatest,
  least,
  type Model,
  type NodeProto,
  readNumbers,
  tensorDims,
  tensorSize,
} from '@onnx-pruning/onnx';
import {
  type Dim,
  type IntegerContext,
  type IntegerRange,
  type IntegerReading,
  integerReading,
  integersPass,
  type ValueInfo,
} from '@onnx-pruning/ops';

/** Values of more elements are no offsets or bounds of positions. */
const MOST_NUMBERS = 1 << 16;

const FLOATS: ReadonlySet<number | undefined> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE]);

type Sizes = Readonly<Record<string, readonly number[]>>;

/** What is allowed by input, where anything was found; several readers leave what all of them allow. */
export function indexRanges(model: Model, sizes: Sizes): Map<string, IntegerReading> {
  const known = new KnownValues(model, sizes);
  const readers = new Map<string, { node: NodeProto; input: number }[]>();
  for (const node of model.graph.node) {
    for (const [input, name] of node.input.entries()) {
      const list = readers.get(name);
      if (list) list.push({ node, input });
      else readers.set(name, [{ node, input }]);
    }
  }
  const found = new Map<string, IntegerReading>();
  for (const { name: start = '', type } of model.graph.input) {
    let [allowed, hinted]: (IntegerReading | undefined)[] = [];
    const visited = new Set<string>();
    // Values that hold the input's integers, and by how much they are larger.
    const open = [{ name: start, least: 0, most: 0, inPlace: true }];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (visited.has(at.name)) continue;
      visited.add(at.name);
      for (const { node, input } of readers.get(at.name) ?? []) {
        const context = known.contextOf(node);
        const reading = integerReading(input, context);
        const own = reading && before(reading, at);
        if (own?.isHint) hinted = both(hinted, own);
        else if (own) allowed = both(allowed, own);
        const pass = integersPass(input, context);
        if (!pass) continue;
        const bounds = { least: at.least + pass.least, most: at.most + pass.most, inPlace: at.inPlace && pass.inPlace };
        for (const output of node.output) open.push({ name: output, ...bounds });
      }
    }
    // Floating-point numbers that are compared with some integers need not be any.
    const reading = allowed ?? (FLOATS.has(type?.tensorType?.elemType) ? undefined : hinted);
    if (reading?.ranges.every(([low, high]) => low < high)) found.set(start, bounded(reading));
  }
  return found;
}

/** What a reading of a value says of the input that the value was made of. */
function before(
  reading: IntegerReading,
  at: { readonly least: number; readonly most: number; readonly inPlace: boolean },
): IntegerReading {
  const ranges = reading.ranges.map(([low, high]): IntegerRange => [Math.max(0, low - at.least), high - at.most]);
  return at.inPlace ? { ...reading, ranges } : { ranges: [common(ranges)], isHint: reading.isHint };
}

const common = (ranges: readonly IntegerRange[]): IntegerRange => [
  greatest(ranges.map(([low]) => low)),
  least(ranges.map(([, high]) => high)),
];

function both(a: IntegerReading | undefined, b: IntegerReading): IntegerReading {
  if (!a) return b;
  const [x, y] = a.ranges.length === b.ranges.length ? [a.ranges, b.ranges] : [[common(a.ranges)], [common(b.ranges)]];
  const distinct = a.distinct ?? b.distinct;
  return {
    ranges: x.map((range, i) => common([range, y[i]!])),
    ...(distinct === undefined ? {} : { distinct }),
  };
}

/** The least where nothing limits a number: a size of one fits most others. */
const bounded = (reading: IntegerReading): IntegerReading => ({
  ...reading,
  ranges: reading.ranges.map(([low, high]) => [low, Number.isFinite(high) ? high : low + 1]),
});

/** Shapes and values at the sizes of one run: inferred where the constants do not suffice. */
class KnownValues {
  readonly #model: Model;
  readonly #sizes: Sizes;
  readonly #constants: ReturnType<typeof constantTensors>;
  #inferred: ReadonlyMap<string, ValueInfo> | undefined;

  constructor(model: Model, sizes: Sizes) {
    this.#model = model;
    this.#sizes = sizes;
    this.#constants = constantTensors(model.graph);
  }

  contextOf(node: NodeProto): IntegerContext {
    const nameOf = (input: number): string => node.input[input] ?? '';
    return {
      node,
      dims: (input) => this.#dimsOf(nameOf(input)),
      value: (input) => this.#numbersOf(nameOf(input)),
    };
  }

  #dimsOf(name: string): readonly Dim[] | undefined {
    const constant = this.#constants.get(name);
    return constant ? tensorDims(constant) : this.#infer().get(name)?.dims;
  }

  #numbersOf(name: string): readonly number[] | undefined {
    const constant = this.#constants.get(name);
    if (constant) return tensorSize(constant) > MOST_NUMBERS ? undefined : Array.from(readNumbers(constant));
    const value = name === '' ? undefined : this.#infer().get(name)?.value;
    return value?.every((one) => typeof one === 'number') ? value : undefined;
  }

  /** Sizes that the model refuses say nothing: running it will tell. */
  #infer(): ReadonlyMap<string, ValueInfo> {
    try {
      this.#inferred ??= inferShapes(this.#model, registryWith(), this.#sizes).values;
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      this.#inferred = new Map();
    }
    return this.#inferred;
  }
}
