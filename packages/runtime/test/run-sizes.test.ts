/** Runs that are not begun, since a value is known to be too large; and large ones that are right. */
import { DataType, GraphBuilder, type Model, type makeTensor, StoredBytes } from '@onnx-pruning/onnx';
import { benchmark, checkRunSizes, makeValue, measureMemory, runModel, shortageOf } from '../src/index.ts';
import { cachedFiles } from '../src/resources.ts';

/** y = x + the maximum of zeros in these dimensions; x has as many elements as asked for. */
function zeros(dims: readonly number[]): Model {
  const b = new GraphBuilder({ opset: 17 });
  const large = b.node('ConstantOfShape', [b.ints('shape', dims)], {}, { name: 'fill' });
  b.output(b.node('Add', [b.input('x', [1]), b.node('ReduceMax', [large], { keepdims: 0 })]), [1]);
  return b.build();
}

const tooLarge = { name: 'SessionError', code: 'RUN_TOO_LARGE' };

describe('a model that makes 10^9 zeros by itself', () => {
  const model = zeros([1000, 1000, 1000]);

  it('is not run, and the error names node, value and size', async () => {
    await expect(runModel(model)).rejects.toMatchObject({
      ...tooLarge,
      details: {
        node: 'fill',
        operator: 'ConstantOfShape',
        expected: `up to ${2 ** 26} elements`,
        actual: '1000000000 elements, [1000, 1000, 1000]',
      },
    });
  });

  it('is neither timed nor measured', async () => {
    await expect(benchmark([{ name: 'a', model }])).rejects.toMatchObject(tooLarge);
    await expect(measureMemory(model)).rejects.toMatchObject(tooLarge);
    const feeds = { x: makeValue(DataType.FLOAT, [1], [1]) };
    await expect(benchmark([{ name: 'a', model }], { feeds })).rejects.toMatchObject(tooLarge);
  });
});

it('a model that makes 10^6 zeros is run', async () => {
  expect(await runModel(zeros([1000, 1000]), { feeds: { x: makeValue(DataType.FLOAT, [1], [7]) } })).toMatchObject({
    [zeros([1]).graph.output[0]!.name!]: { data: Float32Array.of(7) },
  });
});

/** A tensor of zeros that exists while it is read. */
function stored(name: string, dims: number[]): ReturnType<typeof makeTensor> {
  const size = 4 * dims.reduce((product, dim) => product * dim, 1);
  const source = { path: 'zeros', size, read: (target: Uint8Array) => void target.fill(0) };
  return { name, dims, dataType: DataType.FLOAT, rawData: new StoredBytes(source, 0, size) };
}

/** y = x times a transposed weight of [classes, width]. */
function transposed(classes: number, width: number): Model {
  const b = new GraphBuilder({ opset: 17 });
  const weight = b.node('Transpose', [b.tensor(stored('w', [classes, width]))]);
  b.output(b.node('MatMul', [b.input('x', ['batch', width]), weight]), ['batch', classes]);
  return b.build();
}

it('a large weight that the graph rearranges is no mistake', () => {
  expect(() => checkRunSizes(transposed(128_000, 4096), { x: [1, 4096] })).not.toThrow();
});

it('what depends on an input has as many elements as random inputs may have', () => {
  const model = transposed(128_000, 4);
  // 2^28 are 2,097.152 rows of 128,000.
  expect(() => checkRunSizes(model, { x: [2097, 4] })).not.toThrow();
  expect(() => checkRunSizes(model, { x: [2098, 4] })).toThrow(expect.objectContaining(tooLarge));
  expect(() => checkRunSizes(model, { x: [10, 4] }, { memoryLimit: 5_120_000 })).not.toThrow();
  expect(() => checkRunSizes(model, { x: [10, 4] }, { memoryLimit: 5_119_999 })).toThrow('up to 5119999 bytes');
});

describe('what it takes to load a model', () => {
  const threeGigabytes = transposed(750_000, 1000);

  it('is its weights, and room for a copy that no message can hold', async () => {
    expect(await shortageOf(threeGigabytes, { diskLimit: 1e6, memoryLimit: 1e12 })).toBe(
      '3.0 GB of disk are needed for a temporary copy of it, and 1.0 MB are available',
    );
    expect(await shortageOf(threeGigabytes, { memoryLimit: 2e9 })).toMatch(
      /^at least 3\.0 GB of memory are needed to load it, and 2\.0 GB are available/,
    );
  });

  it('is there for a small model', async () => {
    expect(await shortageOf(zeros([1]))).toBeUndefined();
  });

  it('may be what files take that the system caches', () => {
    const statistics = 'anon 1000\nfile 70\ninactive_anon 9\nactive_anon 8\ninactive_file 50\nactive_file 20\nslab 3\n';
    expect(cachedFiles(statistics)).toBe(70);
    expect(cachedFiles('')).toBe(0);
  });
});
