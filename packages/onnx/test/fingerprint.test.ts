/** The fingerprint of a model: the same for what is stored otherwise, another for what computes or is called otherwise. */
import {
  DataType,
  encodeModel,
  fingerprint,
  GraphBuilder,
  type Model,
  makeTensor,
  parseModel,
  setAttribute,
} from '../src/index.ts';

/** y = leaky(x + bias) * scale, with an If whose branches hold a constant each. */
function network(): Model {
  const branch = (value: number): ReturnType<GraphBuilder['graph']> => {
    const b = new GraphBuilder();
    b.output(b.node('Constant', [], { value_float: { float: value } }, { outputs: ['chosen'] }), []);
    return b.graph();
  };
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 3]);
  b.input('wanted', [], DataType.BOOL);
  b.initializer('bias', [3], [1, 2, 3]);
  b.initializer('scale', [3], [4, 5, 6]);
  const shifted = b.node('Add', ['x', 'bias'], {}, { name: 'add' });
  const leaky = b.node('LeakyRelu', [shifted], { alpha: 0.25 }, { name: 'leaky' });
  const scaled = b.node('Mul', [leaky, 'scale'], {}, { name: 'mul' });
  const factor = b.node('If', ['wanted'], { then_branch: branch(1), else_branch: branch(2) }, { name: 'if' });
  b.output(b.node('Mul', [scaled, factor], {}, { name: 'last' }), ['batch', 3]);
  return b.build();
}

const of = (model: Model): string => fingerprint(model.proto);

function changed(change: (model: Model) => void): string {
  const model = network();
  change(model);
  return of(model);
}

it('is SHA-256 in hexadecimal, and the same after a round trip', () => {
  expect(of(network())).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(of(parseModel(encodeModel(network())))).toBe(of(network()));
});

it.each<[string, (model: Model) => void]>([
  ['the order of initializers', ({ graph }) => graph.initializer.reverse()],
  ['the order of attributes', ({ graph }) => graph.node.at(-2)!.attribute.reverse()],
  [
    'numbers in typed fields',
    ({ graph }) => {
      graph.initializer[0] = { name: 'bias', dims: [3], dataType: DataType.FLOAT, floatData: [1, 2, 3] };
    },
  ],
  ['documentation', ({ graph }) => Object.assign(graph.node[0], { docString: 'adds' })],
  ['metadata', ({ proto }) => proto.metadataProps.push({ key: 'author', value: 'me' })],
  ['the producer', ({ proto }) => Object.assign(proto, { producerName: 'another' })],
  ['declared shapes of intermediate values', ({ graph }) => graph.valueInfo.push({ name: 'add_out' })],
  [
    'ai.onnx as the name of the default domain',
    ({ proto }) => Object.assign(proto.opsetImport[0], { domain: 'ai.onnx' }),
  ],
])('does not depend on %s', (_, change) => {
  expect(changed(change)).toBe(of(network()));
});

it('depends on everything that decides about results or names', () => {
  const changes: ((model: Model) => void)[] = [
    ({ graph }) => {
      graph.initializer[0] = makeTensor('bias', DataType.FLOAT, [3], [1, 2, 3.0000002]);
    },
    ({ graph }) => Object.assign(graph.initializer[0], { dims: [3, 1] }),
    ({ graph }) => setAttribute(graph.node[1], 'alpha', 0.26, 'float'),
    ({ graph }) => Object.assign(graph.node[1], { name: 'renamed' }),
    ({ graph }) => Object.assign(graph.node[1], { opType: 'Elu' }),
    ({ graph }) => graph.node[0].input.reverse(),
    ({ graph }) => setAttribute(graph.node[3].attribute[1].g!.node[0], 'value_float', 3, 'float'),
    ({ graph }) => Object.assign(graph.input[0], { name: 'image' }),
    ({ proto }) => Object.assign(proto.opsetImport[0], { version: 18 }),
  ];
  const found = new Set([of(network()), ...changes.map(changed)]);
  expect(found.size).toBe(changes.length + 1);
});
