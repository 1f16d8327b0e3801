/** Names that an editor gives: free in every graph of the model. */
import { checkModel, DataType, GraphBuilder, GraphEditor, type Model, makeTensor, NameTable } from '../src/index.ts';
import { branching } from './nested.ts';

const scalar = (name: string) => makeTensor(name, DataType.FLOAT, [], [0]);

/** x -> Relu -> y, and whatever else the graph has. */
function relu(more: (b: GraphBuilder) => void = () => {}): Model {
  const b = new GraphBuilder();
  b.input('x', [2]);
  more(b);
  b.node('Relu', ['x'], {}, { name: 'relu', outputs: ['y'] });
  b.output('y', [2]);
  return b.build();
}

describe('names', () => {
  it.each([
    ['an input', relu(), 'x'],
    ['a node output', relu(), 'y'],
    ['an initializer that no node uses', relu((b) => b.initializer('w', [1], [1])), 'w'],
    ['an input of a body', branching(), 'cond'],
    ['a value that only a body computes', branching(), 'inner'],
    ['an initializer of a body', branching(), 'c'],
    ['a value that a body captures', branching(), 'h'],
  ])('of %s is taken', (_, model, name) => {
    expect(new GraphEditor(model).freshName(name)).toBe(`${name}_0`);
  });

  it('of a sparse initializer is taken', () => {
    const model = relu();
    model.graph.sparseInitializer = [{ dims: [2], values: makeTensor('s', DataType.FLOAT, [1], [1]) }];
    expect(new GraphEditor(model).freshName('s')).toBe('s_0');
  });

  it('of a declared or annotated value, and of a training graph, is taken', () => {
    const model = relu();
    model.graph.valueInfo = [{ name: 'declared' }];
    model.graph.quantizationAnnotation = [
      { tensorName: 'annotated', quantParameterTensorNames: [{ key: 'SCALE_TENSOR', value: 'scale' }] },
    ];
    const training = new GraphBuilder();
    training.initializer('step', [], [0]);
    model.proto.trainingInfo = [{ algorithm: training.graph(), initializationBinding: [], updateBinding: [] }];
    const editor = new GraphEditor(model);
    for (const name of ['declared', 'annotated', 'scale', 'step']) expect(editor.freshName(name)).toBe(`${name}_0`);
  });

  it('of the outer graph is taken in a body', () => {
    const model = branching();
    const body = new GraphEditor(model).body(model.graph.node[1]!, 'then_branch');
    expect([body.freshName('x'), body.freshName('other'), body.freshName('free')]).toEqual(['x_0', 'other_0', 'free']);
  });

  it('are given once, by all editors of a model together', () => {
    const model = branching();
    const editor = new GraphEditor(model);
    const body = editor.body(model.graph.node[1]!, 'then_branch');
    expect([editor.freshName('n'), body.freshName('n'), editor.freshName('n')]).toEqual(['n', 'n_0', 'n_1']);
  });

  it('of a body that was added with a node are taken', () => {
    const model = branching();
    const editor = new GraphEditor(model);
    const body = new GraphBuilder();
    body.output(body.node('Neg', ['h'], {}, { outputs: ['late'] }));
    editor.node('If', ['cond', ''], { then_branch: body.graph(), else_branch: body.graph() });
    expect(editor.freshName('late')).toBe('late_0');
  });

  it('follow the scheme and the prefix that are asked for', () => {
    const editor = new GraphEditor(
      relu((b) => b.initializer('y_copy_1', [1], [1])),
      { prefix: '' },
    );
    expect(editor.freshName('y', (like, n) => `${like}_copy_${n + 1}`)).toBe('y_copy_2');
    const grad = new GraphEditor(relu(), { prefix: 'grad/' });
    expect([grad.freshName('y'), grad.node('Neg', ['y']), grad.initializer(scalar('one'))]).toEqual([
      'grad/y',
      'grad/Neg_0_out',
      'grad/one',
    ]);
  });

  it('of nodes are apart from those of values', () => {
    const editor = new GraphEditor(relu());
    expect([editor.freshNodeName('relu'), editor.freshNodeName('relu'), editor.freshName('relu')]).toEqual([
      'relu_0',
      'relu_1',
      'relu',
    ]);
  });

  it('that are not those of the model as it is can be given', () => {
    const before = NameTable.valuesOf(relu().proto);
    const model = relu((b) => b.initializer('late', [1], [1]));
    expect(new GraphEditor(model, { names: before }).freshName('late')).toBe('late');
  });

  it('make a model that is valid', () => {
    const model = branching();
    const editor = new GraphEditor(model);
    editor.addOutput(editor.node('Add', ['h', editor.initializer(scalar('c'))]));
    editor.commit();
    checkModel(model);
    expect(model.graph.initializer.map(({ name }) => name)).toEqual(['c_0']);
  });
});
