/** What edited graphs compute, in onnxruntime: the editor changes what was meant and nothing else. */
import { DataType, GraphBuilder, GraphEditor, type Model, makeTensor } from '@onnx-pruning/onnx';
import { makeValue, type TensorValues, withSession } from '../src/index.ts';

/** h = x * w; y = h + c in the body of an If where cond holds, else -h. */
function branching(): Model {
  const then = new GraphBuilder();
  then.initializer('c', [2], [10, 20]);
  then.output(then.node('Add', ['h', 'c'], {}, { name: 'add', outputs: ['sum'] }));
  const otherwise = new GraphBuilder();
  otherwise.output(otherwise.node('Neg', ['h'], {}, { outputs: ['negative'] }));
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', [2]);
  b.input('cond', [], DataType.BOOL);
  b.initializer('w', [2], [2, 3]);
  b.node('Mul', ['x', 'w'], {}, { name: 'mul', outputs: ['h'] });
  const branches = { then_branch: then.graph(), else_branch: otherwise.graph() };
  b.node('If', ['cond'], branches, { name: 'if', outputs: ['y'] });
  b.output('y', [2]);
  return b.build();
}

const floats = (...x: number[]) => makeValue(DataType.FLOAT, [x.length], x);
const feeds = (cond: boolean): TensorValues => ({
  x: floats(1, 2),
  cond: makeValue(DataType.BOOL, [], [cond ? 1 : 0]),
});

const run = (model: Model, values: TensorValues): Promise<TensorValues> =>
  withSession(model, {}, (session) => session.run(values));

describe('an edited model', () => {
  it('computes with a gate in front of what bodies capture', async () => {
    const model = branching();
    const editor = new GraphEditor(model);
    const mask = editor.initializer(makeTensor('c', DataType.FLOAT, [2], [1, 0]));
    const gated = editor.node('Mul', ['h', mask]);
    editor.replaceUses('h', gated, { nodes: (node) => node.name === 'if' });
    editor.addOutput('h');
    editor.commit();
    expect(await run(model, feeds(true))).toMatchObject({ y: { data: Float32Array.of(12, 20) } });
    const { y, h } = await run(model, feeds(false));
    expect([y!.data, h!.data]).toEqual([Float32Array.of(-2, -0), Float32Array.of(2, 6)]);
  });

  it('computes with an edit inside a body that takes a new value from outside', async () => {
    const model = branching();
    const editor = new GraphEditor(model);
    const body = editor.body(model.graph.node[1]!, 'then_branch');
    const outer = editor.node('Neg', ['x']);
    const sum = body.node('Add', [outer, 'sum']);
    body.setOutputs([sum]);
    body.commit();
    expect((await run(model, feeds(true))).y!.data).toEqual(Float32Array.of(12 - 1, 26 - 2));
  });

  it('takes promoted weights as inputs', async () => {
    const model = branching();
    const editor = new GraphEditor(model);
    editor.promote('w');
    editor.commit();
    const { y } = await run(model, { ...feeds(false), w: floats(5, 7) });
    expect(y!.data).toEqual(Float32Array.of(-5, -14));
  });

  it('computes the same under other names', async () => {
    const model = branching();
    const editor = new GraphEditor(model);
    for (const name of ['x', 'w', 'h', 'y']) editor.renameValue(name, `${name}/new`);
    editor.commit();
    const { x, cond } = feeds(true);
    expect(await run(model, { 'x/new': x!, cond: cond! })).toMatchObject({
      'y/new': { data: Float32Array.of(12, 26) },
    });
  });
});
