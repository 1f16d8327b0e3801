/**
 * Models that contradict themselves, or ask for gigabytes in a few bytes: refused with an error that says what is wrong,
 * or analysed without doing what they ask for.
 */
import { checkModel, DataType, GraphBuilder, type Model, OnnxPruningError } from '@onnx-pruning/onnx';
import { DependencyGraph } from '../src/index.ts';

const MAX_INT64 = Number.MAX_SAFE_INTEGER;

/** A convolution of 3 to 8 channels, something of your own, and a convolution of as many to 4. */
function network(
  between: (b: GraphBuilder, x: string) => string,
  dims: readonly (number | string)[] = ['batch', 3, 4, 4],
) {
  const b = new GraphBuilder();
  const weight = (name: string, shape: number[]): string =>
    b.initializer(name, shape, (size) => new Float32Array(size).fill(1));
  const conv1 = b.node('Conv', [b.input('x', dims), weight('conv1.weight', [8, 3, 1, 1])], {}, { outputs: ['h'] });
  b.output(b.node('Conv', [between(b, conv1), weight('conv2.weight', [4, 8, 1, 1])], {}, { outputs: ['y'] }));
  return b.build();
}

const analysed = (model: Model): DependencyGraph => new DependencyGraph().buildDependency(model);

function errorOf(model: Model): OnnxPruningError {
  try {
    analysed(model);
  } catch (error) {
    if (error instanceof OnnxPruningError) return error;
    throw error;
  }
  throw new Error('the model was analysed');
}

const groups = (model: Model): string[] => [...analysed(model).getAllGroups()].map(String);
const WHOLE = ['[0] pruneConvOutChannels on conv1, 8 channels\n[1] pruneConvInChannels on conv2, 8 channels'];

describe('what the check refuses, the analysis refuses', () => {
  const broken: readonly (readonly [string, string, (model: Model) => void])[] = [
    ['a value that nothing defines', 'UNDEFINED_VALUE', ({ graph }) => graph.node[1]!.input.splice(0, 1, 'nothing')],
    ['a value that is computed twice', 'DUPLICATE_VALUE', ({ graph }) => graph.node[1]!.output.splice(0, 1, 'h')],
    ['nodes out of order', 'NOT_SORTED', ({ graph }) => graph.node.reverse()],
    ['a node that needs itself', 'CYCLE', ({ graph }) => graph.node[0]!.input.splice(0, 1, 'y')],
    ['a negative dimension', 'TENSOR_DIMS', ({ graph }) => graph.initializer[0]!.dims.splice(0, 1, -8)],
    ['dims that the content does not fill', 'TENSOR_SIZE', ({ graph }) => graph.initializer[0]!.dims.splice(0, 1, 1e9)],
  ];

  it.each(broken)('%s: %s', (_, code, damage) => {
    const model = network((b, x) => b.node('Relu', [x]));
    damage(model);
    expect(() => checkModel(model)).toThrow(expect.objectContaining({ code }));
    expect(errorOf(model).code).toBe(code);
  });
});

describe('a node that its operator does not allow', () => {
  it('has too few inputs, too many, or an empty one', () => {
    expect(errorOf(network((b) => b.node('Relu', []))).message).toContain('expected 1 input, found 0');
    expect(errorOf(network((b, x) => b.node('Relu', [x, x]))).message).toContain('expected 1 input, found 2');
    expect(errorOf(network((b, x) => b.node('Add', [x, '']))).message).toContain('expected a value for input 1');
  });

  it('has a value of another rank', () => {
    const error = errorOf(network((b, x) => b.node('Conv', [x, b.initializer('w', [8], new Float32Array(8))])));
    expect(error).toMatchObject({ code: 'SHAPE', details: { operator: 'Conv' } });
  });

  it('Einsum: names an axis in the result that no operand has', () => {
    const error = errorOf(network((b, x) => b.node('Einsum', [x], { equation: 'nchw->nctw' })));
    expect(error.message).toContain("expected a result of axes that the operands have, found 't'");
  });
});

describe('sizes that no tensor has', () => {
  it('are refused where they are declared, and where they are multiplied', () => {
    const declared = network((_, x) => x);
    declared.graph.input[0]!.type!.tensorType!.shape!.dim[2]!.dimValue = 2 ** 60;
    expect(errorOf(declared).message).toContain(`expected at most ${MAX_INT64}`);
    const reshaped = network((b, x) => b.node('Flatten', [x], { axis: 0 }), ['batch', 3, 2 ** 40, 2 ** 40]);
    expect(errorOf(reshaped)).toMatchObject({ code: 'SIZE' });
  });
});

describe('a few bytes that ask for gigabytes', () => {
  let constants = 0;
  const int = (b: GraphBuilder, values: number[], dims?: number[]): string =>
    b.ints(`constant${constants++}`, values, dims);
  const bombs: readonly (readonly [string, (b: GraphBuilder) => string])[] = [
    ['Range', (b) => b.node('Range', [int(b, [0], []), int(b, [1e9], []), int(b, [1], [])])],
    ['ConstantOfShape', (b) => b.node('ConstantOfShape', [int(b, [1e9, 1e3])])],
    ['Tile', (b) => b.node('Tile', [int(b, [1, 2, 3, 4]), int(b, [1e9])])],
    ['Expand', (b) => b.node('Expand', [int(b, [7]), int(b, [1e9, 2])])],
  ];
  const users: readonly (readonly [string, (b: GraphBuilder, huge: string) => string])[] = [
    ['itself', (_, huge) => huge],
    ['Concat', (b, huge) => b.node('Concat', [huge, huge], { axis: 0 })],
    ['ReduceSum', (b, huge) => b.node('ReduceSum', [huge], { keepdims: 0 })],
    ['Slice', (b, huge) => b.node('Slice', [huge, int(b, [1]), int(b, [MAX_INT64]), int(b, [0])])],
    [
      'Slice backwards',
      (b, huge) => b.node('Slice', [huge, int(b, [-1]), int(b, [-MAX_INT64]), int(b, [0]), int(b, [-1])]),
    ],
    ['Cast', (b, huge) => b.node('Cast', [b.node('Identity', [huge])], { to: DataType.INT64 })],
  ];
  const cases = bombs.flatMap(([name, make]) => users.map(([user, use]) => [name, user, make, use] as const));

  it.each(cases)('%s into %s: is not computed, and the rest is analysed as always', (_name, _user, make, use) => {
    const model = network((b, x) => {
      b.output(use(b, make(b)));
      return b.node('Relu', [x]);
    });
    expect(groups(model)).toEqual(WHOLE);
  });

  it('an axis of more places than any list holds is kept, with the reason', () => {
    const b = new GraphBuilder();
    const weight = b.initializer('fc.weight', [3, 8], new Float32Array(24));
    b.output(b.node('Transpose', [b.node('MatMul', [b.input('x', [2 ** 40, 3]), weight], {}, { name: 'fc' })]));
    expect(() => analysed(b.build())).not.toThrow();
  });
});
