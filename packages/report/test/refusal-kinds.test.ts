/** Every refusal names the operator that stops it, and no layer vanishes in silence. */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { DataType, GraphBuilder, type GraphProto, type Model, makeTensor } from '@onnx-pruning/onnx';
import { refusalsOf, showRefusals } from '../src/index.ts';

const ones = (size: number): Float32Array => new Float32Array(size).fill(1);
const DIMS = [1, 8, 4, 4];

function conv(b: GraphBuilder, name: string, x: string, inner: number, out: number, weight?: string): string {
  return b.node('Conv', [x, weight ?? b.initializer(`${name}.weight`, [out, inner, 1, 1], ones)], {}, { name });
}

const linesOf = (model: Model): string[] => showRefusals(refusalsOf(new DependencyGraph().buildDependency(model)), 20);
const outputLine = (layer: string, output: string): string => `${layer}: it is an axis of the graph output '${output}'`;

function branch(opType: string, captured: string, dims?: (number | string)[]): GraphProto {
  const b = new GraphBuilder();
  b.output(b.node(opType, [captured], {}, { outputs: [`${opType}_of_${captured}`] }), dims);
  return b.graph();
}

describe('a body that uses channels', () => {
  /** x -> a (8) -> If (Relu or Sigmoid of it) -> d (12) -> last (4). */
  function withIf(then: (number | string)[] | undefined, otherwise: (number | string)[] | undefined): Model {
    const b = new GraphBuilder({ opset: 17 });
    const a = conv(b, 'a', b.input('x', [1, 3, 4, 4]), 3, 8);
    const branches = { then_branch: branch('Relu', a, then), else_branch: branch('Sigmoid', a, otherwise) };
    const chosen = b.node('If', [b.input('c', [], DataType.BOOL)], branches, { name: 'choose' });
    b.output(conv(b, 'last', conv(b, 'd', chosen, 8, 12), 12, 4));
    return b.build();
  }

  it('is named, and the shape of its result is that on which both branches agree', () => {
    const model = withIf(DIMS, DIMS);
    expect(linesOf(model)).toEqual([outputLine('last', 'last_out'), "a: a body of this node uses it (If 'choose')"]);
    expect(new DependencyGraph().buildDependency(model).explain('d')).toContain('12 prunable');
  });

  it('gives a result with sizes that only the run knows where branches agree on nothing but the rank', () => {
    expect(new DependencyGraph().buildDependency(withIf(DIMS, [1, 8, 'h', 'w'])).explain('d')).toContain('12 prunable');
  });

  it('hides everything behind it where a branch does not say its shape', () => {
    const why = 'what the body of If computes is not followed';
    const help = 'state them in the value_info of the model, or teach the operator (customizedOperators)';
    expect(linesOf(withIf(DIMS, undefined))).toEqual([
      "a: a body of this node uses it (If 'choose')",
      `d: ${why} (If 'choose')`,
      `last: ${why}; no shapes are known behind it: ${help} (If 'choose')`,
    ]);
  });
});

it('a loop whose carried value keeps its shape hides nothing behind it', () => {
  const body = new GraphBuilder();
  body.input('i', [], DataType.INT64);
  body.input('go_on', [], DataType.BOOL);
  body.input('carried', DIMS);
  body.output(body.node('Identity', ['go_on'], {}, { outputs: ['again'] }), [], DataType.BOOL);
  body.output(body.node('Relu', ['carried'], {}, { outputs: ['next'] }), DIMS);
  const b = new GraphBuilder({ opset: 17 });
  const a = conv(b, 'a', b.input('x', [1, 3, 4, 4]), 3, 8);
  const looped = b.node('Loop', [b.ints('times', [3], []), '', a], { body: body.graph() }, { name: 'loop' });
  b.output(conv(b, 'last', conv(b, 'd', looped, 8, 12), 12, 4));
  const graph = new DependencyGraph().buildDependency(b.build());
  expect(graph.explain('d')).toContain('12 prunable');
  expect(graph.explain('a')).toContain("what the body of Loop computes is not followed (Loop 'loop')");
});

describe('an operator without a record', () => {
  /** x -> a (8) -> r = Blur(a) + a -> c (8) -> last (4). */
  function withUnknown(declared: boolean): Model {
    const b = new GraphBuilder({ opset: 17, opsets: { 'com.acme': 1 } });
    const a = conv(b, 'a', b.input('x', [1, 3, 4, 4]), 3, 8);
    const blurred = b.node('Blur', [a], {}, { name: 'blur', domain: 'com.acme', outputs: ['blurred'] });
    b.output(conv(b, 'last', conv(b, 'c', b.node('Add', [blurred, a]), 8, 8), 8, 4));
    const model = b.build();
    const dim = DIMS.map((dimValue) => ({ dimValue }));
    const type = { tensorType: { elemType: DataType.FLOAT, shape: { dim } } };
    if (declared) model.graph.valueInfo.push({ name: 'blurred', type });
    return model;
  }

  it('is the cause for everything behind it, with what would help', () => {
    expect(linesOf(withUnknown(false))).toEqual([
      "c, last: there is no rule for com.acme::Blur in opset 1; no shapes are known behind it: state them in the value_info of the model, or teach the operator (customizedOperators) (com.acme::Blur 'blur')",
      "a: there is no rule for com.acme::Blur in opset 1 (com.acme::Blur 'blur')",
    ]);
  });

  it('hides nothing behind a shape that the file declares', () => {
    const graph = new DependencyGraph().buildDependency(withUnknown(true));
    expect(graph.explain('c')).toContain('8 prunable');
    expect(graph.explain('a')).toContain("there is no rule for com.acme::Blur in opset 1 (com.acme::Blur 'blur')");
  });

  it('is named when a layer behind it is asked for, and when a node that is no layer is', () => {
    const graph = new DependencyGraph().buildDependency(withUnknown(false));
    expect(graph.explain('c')).toMatch(/^c \(Conv\)\n is not pruned because there is no rule for com\.acme::Blur/);
    const known = new DependencyGraph().buildDependency(withUnknown(true));
    expect(known.explain('blur')).toBe('blur (Blur) has no channels of its own');
    expect(() => known.explain('nothing')).toThrow(/There is no layer of that name \(node 'nothing'\)/);
  });
});

describe('quantized parts', () => {
  const scale = (b: GraphBuilder, name: string): string[] => [
    b.initializer(`${name}_scale`, [], [0.5]),
    b.tensor(makeTensor(`${name}_zero`, DataType.INT8, [], [0])),
  ];
  const int8 = (b: GraphBuilder, name: string, dims: number[]): string =>
    b.tensor(makeTensor(name, DataType.INT8, dims, ones(dims.reduce((n, size) => n * size, 1))));

  /** A weight as 8-bit integers with a scale. */
  const dequantized = (b: GraphBuilder, name: string, dims: number[]): string =>
    b.node('DequantizeLinear', [int8(b, `${name}_q`, dims), ...scale(b, name)], {}, { name: `${name}_dq` });

  it('of weights alone: the layers are named', () => {
    const b = new GraphBuilder({ opset: 17 });
    const a = conv(b, 'a', b.input('x', [1, 3, 4, 4]), 3, 8, dequantized(b, 'a', [8, 3, 1, 1]));
    b.output(conv(b, 'last', a, 8, 4, dequantized(b, 'last', [4, 8, 1, 1])));
    expect(linesOf(b.build())).toEqual([
      "a, last: the model is quantized here: quantized weights and activations are not pruned yet (DequantizeLinear 'a_dq' and 1 more)",
    ]);
  });

  it('of activations alone: what passes through them stays, and the rest goes', () => {
    const b = new GraphBuilder({ opset: 17 });
    const a = conv(b, 'a', b.input('x', [1, 3, 4, 4]), 3, 8);
    const q = b.node('QuantizeLinear', [a, ...scale(b, 'act')], {}, { name: 'q' });
    const dq = b.node('DequantizeLinear', [q, 'act_scale', 'act_zero'], {}, { name: 'dq' });
    b.output(conv(b, 'last', conv(b, 'c', dq, 8, 12), 12, 4));
    const model = b.build();
    expect(linesOf(model)).toEqual([
      outputLine('last', 'last_out'),
      "a: the model is quantized here: quantized weights and activations are not pruned yet (QuantizeLinear 'q')",
    ]);
    expect(new DependencyGraph().buildDependency(model).explain('c')).toContain('12 prunable');
  });

  it('of operators on integers: the layers are named although no shapes are known', () => {
    const b = new GraphBuilder({ opset: 17 });
    const first = b.node(
      'ConvInteger',
      [b.input('x', [1, 3, 4, 4], DataType.UINT8), int8(b, 'w1', [8, 3, 1, 1])],
      {},
      { name: 'first' },
    );
    b.output(
      b.node('ConvInteger', [first, int8(b, 'w2', [4, 8, 1, 1])], {}, { name: 'second' }),
      undefined,
      DataType.INT32,
    );
    expect(linesOf(b.build())).toEqual([
      "first, second: the model is quantized here: quantized weights and activations are not pruned yet (ConvInteger 'first' and 1 more)",
    ]);
  });
});

it('weights that are computed in a way that is not followed are named with the node that computes them', () => {
  const b = new GraphBuilder({ opset: 17 });
  const both = b.node(
    'Add',
    [b.initializer('w', [8, 3, 1, 1], ones), b.initializer('delta', [8, 3, 1, 1], ones)],
    {},
    { name: 'sum' },
  );
  const a = conv(b, 'a', b.input('x', [1, 3, 4, 4]), 3, 8, both);
  b.output(conv(b, 'last', a, 8, 4));
  expect(linesOf(b.build())).toContain(
    "a: its weights are computed in the graph by a node that is not followed (Add 'sum')",
  );
});
