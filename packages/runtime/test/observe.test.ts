/** Observing what passes through a model, against hand arithmetic. */
import { DataType, encodeModel, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { makeValue, ObserveError, type Observer, observe, observers, type TensorValues } from '../src/index.ts';

/** [batch, 2, 2] -> times 2 -> `doubled` -> Relu -> `y`; the input, twice as large, is negative in places. */
function doubling(): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 2, 2]);
  b.initializer('two', [], [2]);
  b.node('Mul', ['x', 'two'], {}, { name: 'mul', outputs: ['doubled'] });
  b.node('Relu', ['doubled'], {}, { name: 'relu', outputs: ['y'] });
  b.output('y');
  return b.build();
}

const feed = (...x: number[]): TensorValues => ({ x: makeValue(DataType.FLOAT, [x.length / 4, 2, 2], x) });
/** Along axis 1 `doubled` has 2 4 in the first channel and -2 0 in the second; then 6 0 and 0 -4. */
const batches = [feed(1, 2, -1, 0), feed(3, 0, 0, -2)];

async function* stream(): AsyncGenerator<TensorValues> {
  yield* batches;
}

const numbersOf = async (observer: Observer<Float64Array>): Promise<number[]> =>
  Array.from((await observe(doubling(), stream(), { found: observer })).found);

describe('the statistics of channels', () => {
  it.each([
    ['mean', [12 / 4, -6 / 4]],
    ['meanAbs', [12 / 4, 6 / 4]],
    ['variance', [(1 + 1 + 9 + 9) / 4, (0.25 + 2.25 + 2.25 + 6.25) / 4]],
    ['l1Norm', [12, 6]],
    ['l2Norm', [Math.sqrt(4 + 16 + 36), Math.sqrt(4 + 16)]],
    ['rootMeanSquare', [Math.sqrt(56 / 4), Math.sqrt(20 / 4)]],
    ['zeroShare', [1 / 4, 2 / 4]],
    ['nonzeroShare', [3 / 4, 2 / 4]],
    ['min', [0, -4]],
    ['max', [6, 0]],
  ] as const)('%s runs over all batches', async (name, expected) => {
    const found = await numbersOf(observers[name]('doubled', { axis: 1 }));
    expect(found).toHaveLength(2);
    found.forEach((x, i) => {
      expect(x).toBeCloseTo(expected[i]!, 10);
    });
    expect(await numbersOf(observers[name]('doubled', { axis: -2 }))).toEqual(found);
  });

  it('without an axis are one number', async () => {
    expect(await numbersOf(observers.mean('doubled'))).toEqual([6 / 8]);
  });
});

describe('Gram matrices', () => {
  // Rows of `doubled` along axis 1: (2, -2), (4, 0), (6, 0), (0, -4). Along axis 2: (2, 4), (-2, 0), (6, 0), (0, -4).
  const first = [4 + 16 + 36, -4, -4, 4 + 16];
  const last = [4 + 4 + 36, 8, 8, 16 + 16];
  it.each([
    [1, first],
    [-2, first],
    [2, last],
    [-1, last],
  ])('along axis %i sum over all positions in all batches', async (axis, expected) => {
    for (const precision of ['float32', 'float64'] as const) {
      const { g } = await observe(doubling(), batches, { g: observers.gramMatrix('doubled', { axis, precision }) });
      expect([g.dims, Array.from(g.data), g.count]).toEqual([[2, 2], expected, 4]);
    }
  });

  it('of two values are X transposed times Y', async () => {
    // y is (2, 0), (4, 0), (6, 0), (0, 0).
    const { g } = await observe(doubling(), batches, { g: observers.gramMatrix('doubled', { with: { value: 'y' } }) });
    expect(Array.from(g.data)).toEqual([4 + 16 + 36, 0, -4, 0]);
  });

  it('of inputs, of any rank and type', async () => {
    const b = new GraphBuilder({ opset: 13 });
    b.input('x', ['n', 2], DataType.INT64);
    b.output(b.node('Identity', ['x']), ['n', 2], DataType.INT64);
    const rows = { x: makeValue(DataType.INT64, [3, 2], [1, 2, 3, 4, 5, 6]) };
    const { g } = await observe(b.build(), [rows], { g: observers.gramMatrix('x') });
    expect([Array.from(g.data), g.count]).toEqual([[35, 44, 44, 56], 3]);
  });

  it('of nothing but large activations leave the products alone', async () => {
    const handed: (readonly number[])[] = [];
    const gram = observers.gramMatrix('doubled');
    const spy: Observer<null> = {
      ...gram,
      begin: () => ({ add: (values) => void handed.push(...values.map(({ dims }) => dims)), result: () => null }),
    };
    await observe(doubling(), [feed(...new Array<number>(4000).fill(1))], { spy });
    // The product and the number of rows; never the 4000 activations.
    expect(handed).toEqual([[2, 2], [2]]);
  });
});

describe('observe', () => {
  it('takes observers of the caller, several of one value, and inputs', async () => {
    const dims: Observer<string[]> = {
      value: 'y',
      begin: () => {
        const seen: string[] = [];
        return { add: ([value], batch) => void seen.push(`${batch}: ${value!.dims}`), result: () => seen };
      },
    };
    const { shapes, mean, input } = await observe(doubling(), batches, {
      shapes: dims,
      mean: observers.mean('y'),
      input: observers.max('x'),
    });
    expect([shapes, Array.from(mean), Array.from(input)]).toEqual([['0: 1,2,2', '1: 1,2,2'], [12 / 8], [3]]);
  });

  it('leaves the model as it is', async () => {
    const model = doubling();
    const before = Buffer.from(encodeModel(model));
    await observe(model, batches, { g: observers.gramMatrix('doubled') });
    expect(before.equals(Buffer.from(encodeModel(model)))).toBe(true);
  });

  it('does not compute what nobody looks at', async () => {
    const b = new GraphBuilder({ opset: 17 });
    b.input('x', ['batch', 2, 2]);
    const half = b.node('Relu', ['x'], {}, { outputs: ['h'] });
    // Fails when it runs: the data cannot be reshaped to this size.
    b.output(b.node('Reshape', [half, b.ints('shape', [7, 7, 7])]));
    expect(Array.from((await observe(b.build(), batches, { max: observers.max('h') })).max)).toEqual([3]);
  });

  it('tells how far it is', async () => {
    const seen: unknown[] = [];
    const onProgress = (progress: unknown) => void seen.push(progress);
    await observe(doubling(), batches, { mean: observers.mean('y') }, { onProgress });
    expect(seen).toEqual([
      { batches: 1, total: 2 },
      { batches: 2, total: 2 },
    ]);
  });

  it('ends when it is aborted, also while it waits, and closes its source', async () => {
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(observe(doubling(), batches, { m: observers.mean('y') }, { signal: aborted })).rejects.toThrow(
      'enough',
    );
    const controller = new AbortController();
    let isClosed = false;
    const stuck: AsyncIterable<TensorValues> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          setImmediate(() => controller.abort(new Error('too long')));
          return new Promise(() => {});
        },
        return: async () => {
          isClosed = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const run = observe(doubling(), stuck, { m: observers.mean('y') }, { signal: controller.signal });
    await expect(run).rejects.toThrow('too long');
    expect(isClosed).toBe(true);
  });
});

describe('bad input', () => {
  const rejected = (given: Iterable<TensorValues>, observer: Observer<unknown>) =>
    expect(observe(doubling(), given, { observer })).rejects;
  const mean = observers.mean('y', { axis: 1 });

  it('is named', async () => {
    await rejected([], mean).toMatchObject({ name: 'FeedError', code: 'FEED_NONE' });
    await rejected([{}], mean).toMatchObject({ code: 'FEED_MISSING', details: { value: 'x' } });
    await rejected([{}], observers.mean('x')).toMatchObject({ code: 'FEED_MISSING', details: { value: 'x' } });
    await rejected(batches, observers.mean('doubeld')).toThrow(/no such value .*'doubeld'.* Did you mean 'doubled'/);
    await rejected(batches, observers.mean('y', { axis: 3 })).toMatchObject({ code: 'OBSERVE_AXIS' });
    await rejected([...batches, feed(1, 2, 3, 4, 1, 2, 3, 4)], observers.mean('y', { axis: 0 })).toMatchObject({
      code: 'OBSERVE_SIZE',
      details: { expected: 1, actual: 2 },
    });
  });

  it.each<[string, Observer<unknown>]>([
    ['mean', observers.mean('doubled', { axis: 1 })],
    ['max', observers.max('doubled', { axis: 1 })],
    ['gramMatrix', observers.gramMatrix('doubled')],
  ])('that is not finite is named by %s', async (_, observer) => {
    const run = observe(doubling(), [batches[0]!, feed(1, 1, 1, Number.NaN)], { observer });
    await expect(run).rejects.toBeInstanceOf(ObserveError);
    await expect(run).rejects.toMatchObject({
      code: 'OBSERVE_NOT_FINITE',
      batch: 1,
      details: { value: 'doubled', axis: 1 },
    });
  });
});
