/** 64-bit integers are written as they were read: a double next to the largest one is another number. */
import { DataType, GraphBuilder, type Model, makeTensor, type TensorProto, tensorBytes } from '@onnx-pruning/onnx';
import { BasePruner, encodeModel, GroupMagnitudeImportance, parseModel, verify } from '../src/index.ts';

const LARGEST = 2n ** 63n - 1n;
const SMALLEST = -(2n ** 63n);

/** conv (8 channels) -> Slice along `axis` from `start` to `end` in steps -> conv; exporters write "to the end" as the largest. */
function sliced(axis: bigint, start: bigint, end: bigint, step: bigint): Model {
  const b = new GraphBuilder({ opset: 17 });
  const weight = (name: string, shape: number[]): string =>
    b.initializer(name, shape, (n) => Float32Array.from({ length: n }, (_, i) => ((i * 7) % 11) - 5));
  const x = b.node('Conv', [b.input('x', [1, 3, 6, 6]), weight('a.weight', [8, 3, 1, 1])]);
  const bounds = { starts: start, ends: end, axes: axis, steps: step };
  const names = Object.entries(bounds).map(([name, value]) =>
    b.tensor(makeTensor(name, DataType.INT64, [1], BigInt64Array.of(value))),
  );
  b.output(b.node('Conv', [b.node('Slice', [x, ...names]), weight('b.weight', [2, 8, 1, 1])]));
  return b.build();
}

const bigintOf = (tensor: TensorProto): bigint => new BigInt64Array(Uint8Array.from(tensorBytes(tensor)).buffer)[0]!;

function boundsOf({ graph }: Model): Record<string, bigint> {
  return Object.fromEntries(
    ['starts', 'ends', 'axes', 'steps'].map((name) => {
      const slice = graph.node.find(({ opType }) => opType === 'Slice')!;
      const input = slice.input[['starts', 'ends', 'axes', 'steps'].indexOf(name) + 1]!;
      return [name, bigintOf(graph.initializer.find((tensor) => tensor.name === input)!)];
    }),
  );
}

describe('bounds of a Slice at the ends of 64 bits', () => {
  it.each<[string, bigint, bigint, bigint, bigint]>([
    ['pixels to the end', 2n, 1n, LARGEST, 2n],
    ['pixels backwards to the start', 3n, -1n, SMALLEST, -1n],
    ['pixels backwards from the end', 3n, LARGEST, -LARGEST, -2n],
    ['all channels', 1n, 0n, LARGEST, 1n],
    ['all channels, backwards', 1n, -1n, SMALLEST, -1n],
  ])('%s: they are what they were in the pruned file', async (_, axis, start, end, step) => {
    const model = sliced(axis, start, end, step);
    const pruned = model.clone();
    const pruner = new BasePruner(pruned, { importance: new GroupMagnitudeImportance() });
    expect(pruner.step().channels).toBe(4);
    const written = parseModel(encodeModel(pruned));
    expect(boundsOf(written)).toEqual({ starts: start, ends: end, axes: axis, steps: step });
    expect((await verify(model, written, pruner.plan())).verdict).toBe('holds');
  });
});
