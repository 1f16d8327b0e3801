/** Parts of a graph as models: exactly what the outputs need, up to what is fed. */
import {
  DataType,
  extractModel,
  GraphBuilder,
  InvalidModelError,
  type Model,
  printModel,
  tensorType,
} from '@onnx-pruning/onnx';

/** x -> Relu a -> Mul (by w) b -> Add (a) c -> If (takes b from outside) d -> y; an input u beside it. */
function network(): Model {
  const branch = (op: string): ReturnType<GraphBuilder['graph']> => {
    const inner = new GraphBuilder();
    inner.output(inner.node(op, ['b'], {}, { outputs: [`${op}_out`] }));
    return inner.graph();
  };
  const b = new GraphBuilder();
  const a = b.node('Relu', [b.input('x', [1, 2])], {}, { outputs: ['a'] });
  const scaled = b.node('Mul', [a, b.initializer('w', [2], [1, 2])], {}, { outputs: ['b'] });
  const c = b.node('Add', [scaled, a], {}, { outputs: ['c'] });
  const isTrue = b.node('Cast', [b.node('ReduceMax', [c], { keepdims: 0 })], { to: DataType.BOOL });
  const d = b.node('If', [isTrue], { then_branch: branch('Neg'), else_branch: branch('Abs') }, { outputs: ['d'] });
  b.output(b.node('Add', [d, b.input('u', [1, 2])], {}, { outputs: ['y'] }), [1, 2]);
  return b.build();
}

const float = (name: string) => ({ name, type: tensorType(DataType.FLOAT, undefined) });
const nodes = ({ graph }: Model): string[] => graph.node.map(({ output }) => output[0] ?? '');
const names = (values: readonly { name?: string }[]): string[] => values.map(({ name = '' }) => name);

test('the part between two values has the nodes between them, and their weights', () => {
  const part = extractModel(network(), [float('a')], ['c']);
  expect(nodes(part)).toEqual(['b', 'c']);
  expect(names(part.graph.input)).toEqual(['a']);
  expect(names(part.graph.output)).toEqual(['c']);
  expect(names(part.graph.initializer)).toEqual(['w']);
});

test('what is not needed is left out: nodes, weights, and inputs that nothing reads', () => {
  const part = extractModel(network(), [float('x'), float('u')], ['a']);
  expect([nodes(part), names(part.graph.input), names(part.graph.initializer)]).toEqual([['a'], ['x'], []]);
});

test('what a body takes from outside is part of it', () => {
  const model = network();
  const isTrue = model.graph.node.find(({ opType }) => opType === 'Cast')!.output[0]!;
  const part = extractModel(model, [float('a'), { name: isTrue, type: tensorType(DataType.BOOL, []) }], ['d']);
  expect(nodes(part)).toEqual(['b', 'd']);
});

test('an output that is fed needs nothing; the type of a declared one is kept', () => {
  expect(nodes(extractModel(network(), [float('c')], ['c']))).toEqual([]);
  const part = extractModel(network(), [float('d'), float('u')], ['y']);
  expect(part.graph.output[0]?.type).toEqual(tensorType(DataType.FLOAT, [1, 2]));
});

test('the model is left as it is, and shares no nodes with the part', () => {
  const model = network();
  const before = printModel(model);
  const part = extractModel(model, [float('x')], ['c']);
  part.graph.node[0]!.input[0] = 'other';
  part.graph.initializer.pop();
  expect(printModel(model)).toBe(before);
});

test('an input of the graph that is not fed, and a value that nobody computes, are said by name', () => {
  expect(() => extractModel(network(), [], ['a'])).toThrow(InvalidModelError);
  expect(() => extractModel(network(), [], ['a'])).toThrow(/needs an input of the graph.*'x'/);
  expect(() => extractModel(network(), [float('x')], ['nothing'])).toThrow(/no such value.*'nothing'/);
});
