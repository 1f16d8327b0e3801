import { DataType, type FunctionProto, GraphBuilder, makeTensor, printModel } from '../src/index.ts';

function convNet(): GraphBuilder {
  const b = new GraphBuilder({ opset: 17, opsets: { 'com.acme': 2 } });
  b.input('x', ['batch', 3, 8, 8]);
  b.initializer('conv1.weight', [4, 3, 3, 3], (n) => Float32Array.from({ length: n }, (_, i) => i / 8));
  b.initializer('conv1.bias', [4], [0.5, -1, 2, 0.1]);
  const c = b.node('Conv', ['x', 'conv1.weight', 'conv1.bias'], { pads: [1, 1, 1, 1], group: 1 }, { outputs: ['c'] });
  const r = b.node('Reshape', [c, b.ints('shape', [0, -1])], { allowzero: 0 }, { outputs: ['r'] });
  b.output(b.node('Foo', [r, ''], { mode: 'fast', scale: 0.1 }, { outputs: ['y'], domain: 'com.acme' }), [
    'batch',
    256,
  ]);
  return b;
}

describe('printModel', () => {
  it('prints a model: one line per node, types beside the weights, small integer constants', () => {
    expect(printModel(convNet().build())).toMatchInlineSnapshot(`
      "ir 8, ai.onnx 17, com.acme 2
      graph main (x: float[batch,3,8,8]) -> (y: float[batch,256]) {
        c = Conv(x, conv1.weight: float[4,3,3,3], conv1.bias: float[4]) {group=1, pads=[1,1,1,1]}
        r = Reshape(c, shape: int64[2] = [0,-1]) {allowzero=0}
        y = com.acme::Foo(r, _) {mode="fast", scale=0.1}
      }"
    `);
  });

  it('can show node names, values, digests, or nothing of the weights', () => {
    const line = (options: Parameters<typeof printModel>[1], i: number): string =>
      printModel(convNet().graph(), options).split('\n')[i] ?? '';
    expect(line({ nodeNames: true }, 1)).toMatch(/ # Conv_0$/);
    expect(line({ weights: 2 }, 1)).toContain(
      'conv1.weight: float[4,3,3,3] = [0,0.125,...], conv1.bias: float[4] = [0.5,-1,...]',
    );
    expect(line({ weights: 'none' }, 2)).toBe('  r = Reshape(c, shape: int64[2]) {allowzero=0}');
    // The first digits of the SHA-256 of 0, -1 as little-endian int64, from sha256sum.
    expect(line({ weights: 'hash' }, 2)).toMatch(/shape: int64\[2\] #[0-9a-f]{8}\)/);
  });

  it('gives different digests to different weights only', () => {
    const digest = (value: number): string => {
      const b = new GraphBuilder();
      b.output(b.node('Identity', [b.initializer('w', [2], [1, value])], {}, { outputs: ['y'] }));
      return printModel(b.graph(), { weights: 'hash' });
    };
    expect(digest(2)).toBe(digest(2));
    expect(digest(2)).not.toBe(digest(3));
  });

  it('prints subgraphs, several outputs, constants, unused and sparse initializers', () => {
    const body = new GraphBuilder({ name: 'then' });
    body.output(body.node('Neg', ['a'], {}, { outputs: ['n'] }), [1]);
    const b = new GraphBuilder({ name: 'g' });
    b.input('cond', [], DataType.BOOL);
    b.input('x', ['n', '']);
    b.initializer('unused', [2], [1, 2]);
    b.nodeOutputs('Split', ['x'], { axis: 0 }, { outputs: ['a', ''] });
    b.node('Constant', [], { value: makeTensor('', DataType.INT64, [1], [3]) }, { outputs: ['k'] });
    b.output(b.node('If', ['cond'], { then_branch: body.graph(), else_branch: body.graph() }, { outputs: ['y'] }));
    b.graph().sparseInitializer.push({ values: { name: 's', dims: [1], dataType: 1 }, dims: [5, 5] });
    expect(printModel(b.graph())).toMatchInlineSnapshot(`
      "graph g (cond: bool[], x: float[n,?]) -> (y: float) {
        initializer unused: float[2]
        sparse s: float[5,5]
        a, _ = Split(x) {axis=0}
        k = Constant() {value=int64[1] = [3]}
        y = If(cond) {else_branch=graph then () -> (n: float[1]) {
          n = Neg(a)
        }, then_branch=graph then () -> (n: float[1]) {
          n = Neg(a)
        }}
      }"
    `);
  });

  it('prints functions with their references to attributes', () => {
    const model = convNet().build();
    const fn: FunctionProto = {
      name: 'Foo',
      domain: 'com.acme',
      input: ['a', 'b'],
      output: ['c'],
      attribute: ['mode'],
      node: [
        {
          opType: 'Softmax',
          input: ['a'],
          output: ['c'],
          attribute: [{ name: 'axis', type: 2, refAttrName: 'dim' }],
        },
      ],
      opsetImport: [],
    };
    model.proto.functions.push(fn);
    expect(printModel(model).split('\n').slice(-3)).toEqual([
      'function com.acme::Foo (a, b) -> (c) {mode} {',
      '  c = Softmax(a) {axis=@dim}',
      '}',
    ]);
  });
});
