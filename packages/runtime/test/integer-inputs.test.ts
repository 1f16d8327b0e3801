/**
 * Integer inputs are drawn from all that the operators which read them allow (ONNX specification), at the sizes of the
 * run, and the model runs on every draw.
 */
import { DataType, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { benchmark, createSession, elementCount, randomInputs, runBoth, runModel, valueNumbers } from '../src/index.ts';

type Build = (b: GraphBuilder) => string;

function modelOf(build: Build): Model {
  const b = new GraphBuilder({ opset: 17, opsets: { 'com.microsoft': 1 } });
  b.output(build(b), undefined);
  return b.build();
}

const floats = (b: GraphBuilder, name: string, dims: number[]): string =>
  b.initializer(name, dims, (n) => Float32Array.from({ length: n }, (_, i) => Math.sin(i)));
const scalar = (b: GraphBuilder, name: string, value: number): string =>
  b.initializer(name, [], [value], DataType.INT64);
const ids = (b: GraphBuilder, dims: (number | string)[], type: number = DataType.INT64): string =>
  b.input('ids', dims, type);

/** The numbers of 'ids' in 60 draws, after running the model on each. */
async function drawn(model: Model, options = {}): Promise<{ dims: readonly number[]; numbers: number[] }[]> {
  const session = await createSession(model);
  const draws = [];
  for (let seed = 0; seed < 60; seed++) {
    const feeds = randomInputs(model, { ...options, seed });
    await session.run(feeds);
    draws.push({ dims: feeds.ids!.dims, numbers: Array.from(valueNumbers(feeds.ids!)) });
  }
  await session.dispose();
  return draws;
}

const range = (low: number, high: number): number[] => Array.from({ length: high - low }, (_, i) => low + i);
const valuesOf = (numbers: readonly number[]): number[] => [...new Set(numbers)].sort((a, b) => a - b);

function recurrent(opType: 'LSTM' | 'GRU' | 'RNN', gates: number): Build {
  return (b) => {
    const x = b.input('x', ['steps', 2, 3]);
    const w = floats(b, 'w', [1, gates * 4, 3]);
    const r = floats(b, 'r', [1, gates * 4, 4]);
    return b.node(opType, [x, w, r, '', ids(b, [2], DataType.INT32)], { hidden_size: 4 }, { outputs: ['y'] });
  };
}

const CASES: Record<string, { build: Build; values: number[]; dims?: Record<string, number> }> = {
  'rows of a table that is computed': {
    build: (b) => b.node('Gather', [b.node('Relu', [b.input('x', [7, 2])]), ids(b, [5])], { axis: 0 }),
    values: range(0, 7),
  },
  'columns of GatherElements': {
    build: (b) => b.node('GatherElements', [b.input('x', [2, 6]), ids(b, [2, 3])], { axis: 1 }),
    values: range(0, 6),
  },
  'classes of OneHot': {
    build: (b) => b.node('OneHot', [ids(b, [4]), scalar(b, 'depth', 9), b.initializer('values', [2], [0, 1])]),
    values: range(0, 9),
  },
  'rows that ScatterElements writes': {
    build: (b) => b.node('ScatterElements', [b.input('x', [8, 3]), ids(b, [4, 3]), b.input('u', [4, 3])], { axis: 0 }),
    values: range(0, 8),
  },
  'lengths of the sequences of an LSTM': { build: recurrent('LSTM', 4), values: range(1, 6), dims: { steps: 5 } },
  'lengths of the sequences of a GRU': { build: recurrent('GRU', 3), values: range(1, 8), dims: { steps: 7 } },
  'lengths of the sequences of an RNN': { build: recurrent('RNN', 1), values: range(1, 4), dims: { steps: 3 } },
  'lengths of ReverseSequence': {
    build: (b) => b.node('ReverseSequence', [b.input('x', [4, 6, 2]), ids(b, [4])], { time_axis: 1, batch_axis: 0 }),
    values: range(1, 7),
  },
  'how many TopK takes': {
    build: (b) => b.node('TopK', [b.input('x', [2, 5]), ids(b, [1])], { axis: -1 }, { outputs: ['v', 'i'] }),
    values: range(1, 6),
  },
  'the end of a Slice from 2': {
    build: (b) => b.node('Slice', [b.input('x', [3, 6]), b.ints('s', [2]), ids(b, [1]), b.ints('a', [1])]),
    values: range(3, 7),
  },
  'the start of a Slice to -1': {
    build: (b) => b.node('Slice', [b.input('x', [3, 6]), ids(b, [1]), b.ints('e', [-1]), b.ints('a', [1])]),
    values: range(0, 5),
  },
  'a number of positions that a table has': {
    build: (b) => {
      const places = b.node('Range', [scalar(b, 'zero', 0), ids(b, []), scalar(b, 'one', 1)]);
      return b.node('Gather', [floats(b, 'table', [6, 2]), places]);
    },
    values: range(1, 7),
  },
  'lengths that a mask is made of': {
    build: (b) => {
      const row = b.ints('row', range(0, 5));
      const mask = b.node('Less', [row, b.node('Unsqueeze', [ids(b, [3]), b.ints('axis', [1])])]);
      return b.node('Cast', [mask], { to: DataType.FLOAT });
    },
    values: range(1, 6),
  },
  'positions behind an offset': {
    build: (b) => b.node('Gather', [floats(b, 'table', [10, 2]), b.node('Add', [ids(b, [4]), scalar(b, 'two', 2)])]),
    values: range(0, 8),
  },
  'rows of both of two tables': {
    build: (b) => {
      const x = ids(b, [4]);
      return b.node('Add', [
        b.node('Gather', [floats(b, 'a', [10, 2]), x]),
        b.node('Gather', [floats(b, 'b', [6, 2]), b.node('Cast', [x], { to: DataType.INT32 })]),
      ]);
    },
    values: range(0, 6),
  },
};

describe.each(Object.entries(CASES))('%s', (_, { build, values, dims }) => {
  it('are drawn from the whole range', async () => {
    const draws = await drawn(modelOf(build), { dims });
    expect(valuesOf(draws.flatMap(({ numbers }) => numbers))).toEqual(values);
  });
});

describe('tuples of positions', () => {
  /** Numbers at one place of the last axis. */
  const column = (draws: { numbers: number[] }[], length: number, at: number): number[] =>
    valuesOf(draws.flatMap(({ numbers }) => numbers.filter((_, i) => i % length === at)));

  it('of GatherND have a range for each axis', async () => {
    const draws = await drawn(modelOf((b) => b.node('GatherND', [b.input('x', [3, 8, 2]), ids(b, [5, 2])])));
    expect(column(draws, 2, 0)).toEqual(range(0, 3));
    expect(column(draws, 2, 1)).toEqual(range(0, 8));
  });

  it('of GatherND count from behind the batch', async () => {
    const build: Build = (b) => b.node('GatherND', [b.input('x', [2, 8, 3]), ids(b, [2, 5, 1])], { batch_dims: 1 });
    expect(column(await drawn(modelOf(build)), 1, 0)).toEqual(range(0, 8));
  });

  it('of ScatterND are written once each', async () => {
    const build: Build = (b) => b.node('ScatterND', [b.input('x', [2, 5]), ids(b, [6, 2]), b.input('u', [6])]);
    const draws = await drawn(modelOf(build));
    expect(column(draws, 2, 0)).toEqual(range(0, 2));
    expect(column(draws, 2, 1)).toEqual(range(0, 5));
    for (const { numbers } of draws) {
      const places = numbers.flatMap((row, i) => (i % 2 === 0 ? [5 * row + numbers[i + 1]!] : []));
      expect(new Set(places).size).toBe(6);
    }
  });

  it('of ScatterND may repeat where they are summed', async () => {
    const build: Build = (b) =>
      b.node('ScatterND', [b.input('x', [2]), ids(b, [6, 1]), b.input('u', [6])], {
        reduction: 'add',
      });
    expect(column(await drawn(modelOf(build)), 1, 0)).toEqual(range(0, 2));
  });
});

it('ScatterElements writes no place twice', async () => {
  const build: Build = (b) =>
    b.node('ScatterElements', [b.input('x', [6, 3]), ids(b, [5, 3]), b.input('u', [5, 3])], { axis: 0 });
  for (const { dims, numbers } of await drawn(modelOf(build))) {
    expect(elementCount(dims)).toBe(15);
    for (const column of range(0, 3)) expect(new Set(numbers.filter((_, i) => i % 3 === column)).size).toBe(5);
  }
});

it('more places than there are repeat, in no time', () => {
  const model = modelOf((b) =>
    b.node('ScatterElements', [b.input('x', [500]), ids(b, [20_000]), b.input('u', [20_000])]),
  );
  expect(valuesOf(Array.from(valueNumbers(randomInputs(model).ids!)))).toEqual(range(0, 500));
});

it('both bounds of a Slice leave something', async () => {
  const model = modelOf((b) => b.node('Slice', [b.input('x', [7]), b.input('from', [1], DataType.INT64), ids(b, [1])]));
  const pairs = range(0, 60).map((seed) => {
    const { from, ids: to } = randomInputs(model, { seed });
    return [valueNumbers(from!)[0]!, valueNumbers(to!)[0]!] as const;
  });
  expect(pairs.every(([from, to]) => 0 <= from && from < to && to <= 7)).toBe(true);
  await drawn(model);
});

describe("onnxruntime's attention", () => {
  const domain = 'com.microsoft';

  const cached = (): Model =>
    modelOf((b) => {
      const x = b.input('x', [1, 4, 16]);
      const [keys, values] = [b.input('keys', [1, 4, 8]), b.input('values', [1, 4, 8])];
      const past = ['key', 'value'].map((name) => b.input(`past_${name}`, [1, 1, 3, 8]));
      const total = b.input('total', [1], DataType.INT32);
      const inputs = [x, keys, values, ...past, ids(b, [1], DataType.INT32), total];
      const outputs = ['y', 'present_key', 'present_value'];
      return b.node('GroupQueryAttention', inputs, { num_heads: 2, kv_num_heads: 1 }, { domain, outputs });
    });

  it('counts the keys of the past and the new ones', async () => {
    const model = cached();
    // Three keys of the past and four new ones: the last one is number 6 of 7.
    expect(valuesOf((await drawn(model)).flatMap(({ numbers }) => numbers))).toEqual([6]);
    expect(valuesOf(Array.from(valueNumbers(randomInputs(model).total!)))).toEqual([7]);
  });

  it('is timed and compared on such inputs, too: it takes no others', async () => {
    const model = cached();
    const { models } = await benchmark([{ name: 'cached', model }], { executionProvider: 'cpu', runs: 1, warmup: 1 });
    expect(models).toHaveLength(1);
    const { reference, candidate } = await runBoth(model, model);
    expect(candidate).toEqual(reference);
    expect(Object.keys(await runModel(model))).toEqual(['y']);
  });

  it('takes numbers of keys for a mask', async () => {
    const model = modelOf((b) => {
      const inputs = [b.input('q', [2, 3, 8]), b.input('k', [2, 5, 8]), b.input('v', [2, 5, 8])];
      const attention = [...inputs, '', ids(b, [2], DataType.INT32)];
      return b.node('MultiHeadAttention', attention, { num_heads: 2 }, { domain });
    });
    expect(valuesOf((await drawn(model)).flatMap(({ numbers }) => numbers))).toEqual(range(1, 6));
  });

  it('takes lengths of sequences for a mask', async () => {
    const model = modelOf((b) => {
      const inputs = [b.input('x', [2, 5, 8]), floats(b, 'qkv', [8, 24]), floats(b, 'bias', [24])];
      return b.node('Attention', [...inputs, ids(b, [2], DataType.INT32)], { num_heads: 2 }, { domain });
    });
    expect(valuesOf((await drawn(model)).flatMap(({ numbers }) => numbers))).toEqual(range(1, 6));
  });
});

it('real numbers that are compared with whole ones stay real', () => {
  const model = modelOf((b) => {
    const less = b.node('Less', [b.input('x', [3, 4]), b.initializer('row', [4], range(0, 4))]);
    return b.node('Cast', [less], { to: DataType.FLOAT });
  });
  expect(Array.from(valueNumbers(randomInputs(model).x!)).some((x) => x !== Math.round(x))).toBe(true);
});

it('a size that only the run knows limits nothing', () => {
  const model = modelOf((b) => b.node('Gather', [b.node('NonZero', [b.input('x', [4])]), ids(b, [64])], { axis: 1 }));
  // As nothing is known, a mask: zeros and ones.
  expect(valuesOf(Array.from(valueNumbers(randomInputs(model).ids!)))).toEqual([0, 1]);
});
