/** The graph editor: staged, committed all at once or not at all, and the same for bodies as for the main graph. */
import {
  checkModel,
  cloneProto,
  DataType,
  EditError,
  encodeModel,
  GraphBuilder,
  GraphEditor,
  type GraphProto,
  type Model,
  makeTensor,
  type NodeProto,
  readNumbers,
} from '../src/index.ts';
import { branching } from './nested.ts';

/** x -> Relu a -> h -> Neg b -> y. */
function chain(): Model {
  const b = new GraphBuilder();
  b.input('x', [2]);
  b.initializer('w', [2], [1, 2]);
  b.node('Mul', ['x', 'w'], {}, { name: 'a', outputs: ['h'] });
  b.node('Neg', ['h'], {}, { name: 'b', outputs: ['y'] });
  b.output('y', [2]);
  return b.build();
}

const line = ({ opType, input, output }: NodeProto): string => `${output} = ${opType}(${input})`;
const lines = (graph: GraphProto): string[] => graph.node.map(line);
const vector = (name: string, ...values: number[]) => makeTensor(name, DataType.FLOAT, [values.length], values);
const bytes = (model: Model): string => Buffer.from(encodeModel(model)).toString('base64');
const failure = (act: () => unknown): EditError => {
  try {
    act();
  } catch (error) {
    if (error instanceof EditError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('an edit', () => {
  it('reaches the model when it is committed, and not before', () => {
    const model = chain();
    const before = bytes(model);
    const editor = new GraphEditor(model);
    const [, b] = model.graph.node;
    const half = editor.initializer(vector('half', 0.5, 0.5));
    const scaled = editor.node('Mul', ['h', half], {}, { before: b! });
    editor.replaceUses('h', scaled, { nodes: (node) => node.name === 'b' });
    editor.addOutput('h');
    expect(bytes(model)).toBe(before);
    editor.commit();
    expect(lines(model.graph)).toEqual(['h = Mul(x,w)', 'Mul_0_out = Mul(h,half)', 'y = Neg(Mul_0_out)']);
    expect(model.graph.output.map(({ name }) => name)).toEqual(['y', 'h']);
    checkModel(model);
  });

  it('that does not hold changes nothing, in no graph', () => {
    const model = branching();
    const before = bytes(model);
    const lists = [model.graph.node, model.graph.initializer, model.graph.output, model.proto.opsetImport];
    const editor = new GraphEditor(model);
    const body = editor.body(model.graph.node[1]!, 'then_branch');
    body.edit(body.producer('inner')!).input[1] = 'h';
    editor.requireOpset('com.acme', 1);
    editor.initializer(vector('more', 1));
    editor.edit(model.graph.node[0]!).opType = 'Sigmoid';
    editor.node('Neg', ['nowhere'], {}, { after: model.graph.node[0]! });
    expect(failure(() => editor.commit())).toMatchObject({ code: 'UNDEFINED_VALUE', details: { value: 'nowhere' } });
    expect(bytes(model)).toBe(before);
    expect([model.graph.node, model.graph.initializer, model.graph.output, model.proto.opsetImport]).toEqual(lists);
    model.graph.node.forEach((node, i) => {
      expect(node).toBe(lists[0]![i]);
    });
  });

  it('can be mended after it was refused', () => {
    const model = chain();
    const editor = new GraphEditor(model);
    editor.edit(model.graph.node[1]!).input[0] = 'nowhere';
    expect(() => editor.commit()).toThrow(EditError);
    editor.edit(model.graph.node[1]!).input[0] = 'x';
    editor.commit();
    expect(lines(model.graph)).toEqual(['h = Mul(x,w)', 'y = Neg(x)']);
  });

  it('is refused where others changed the graph meanwhile', () => {
    const model = chain();
    const editor = new GraphEditor(model);
    editor.edit(model.graph.node[1]!).opType = 'Abs';
    model.graph.node.push(cloneProto(model.graph.node[1]!));
    expect(failure(() => editor.commit()).code).toBe('GRAPH_CHANGED');
    expect(model.graph.node[1]!.opType).toBe('Neg');
  });

  it.each<[string, string, (editor: GraphEditor, model: Model) => void]>([
    ['a name twice', 'DUPLICATE_VALUE', (e) => e.node('Neg', ['x'], {}, { outputs: ['h'] })],
    ['a use of what was removed', 'UNDEFINED_VALUE', (e, m) => e.removeNode(m.graph.node[0]!)],
    ['a use of a removed initializer', 'UNDEFINED_VALUE', (e) => e.removeInitializer('w')],
    ['a use of a removed input', 'UNDEFINED_VALUE', (e) => e.removeInput('x')],
    ['an output that nothing computes', 'UNDEFINED_VALUE', (e) => e.setOutputs(['y', 'z'])],
    ['a domain without import', 'MISSING_OPSET_IMPORT', (e) => e.node('Foo', ['x'], {}, { domain: 'com.acme' })],
    [
      'a use before the definition',
      'NOT_SORTED',
      (e, m) => e.edit(m.graph.node[0]!).input.splice(0, 1, e.node('Abs', ['x'], {}, { after: m.graph.node[1]! })),
    ],
    ['a cycle', 'CYCLE', (e) => e.replaceUses('x', e.node('Neg', ['y']))],
  ])('with %s is refused', (_, code, act) => {
    const model = chain();
    const editor = new GraphEditor(model);
    act(editor, model);
    const before = bytes(model);
    expect(failure(() => editor.commit()).code).toBe(code);
    expect(bytes(model)).toBe(before);
  });

  it.each<[string, (editor: GraphEditor) => void]>([
    ['NO_NODE', (e) => e.edit({ input: [], output: ['q'], attribute: [] })],
    ['NO_NODE', (e) => e.node('Neg', ['x'], {}, { before: { input: [], output: ['q'], attribute: [] } })],
    ['NO_BODY', (e) => e.body(e.graph.node[0]!, 'then_branch')],
    ['NO_INITIALIZER', (e) => e.removeInitializer('x')],
    ['NO_CONSTANT', (e) => e.promote('h')],
    ['NO_CONSTANT', (e) => e.replaceConstant('h', vector('v', 1))],
    ['NO_INPUT', (e) => e.bind('w', vector('v', 1))],
    ['NO_OUTPUT', (e) => e.removeOutput('h')],
    ['NO_VALUE', (e) => e.renameValue('q', 'r')],
    ['NAME_TAKEN', (e) => e.renameValue('h', 'y')],
    ['NAME_TAKEN', (e) => e.insertInput({ name: 'h' })],
    ['OPSET_TOO_OLD', (e) => e.requireOpset('', 99)],
  ])('of something that is not there is refused: %s', (code, act) => {
    expect(failure(() => act(new GraphEditor(chain()))).code).toBe(code);
  });
});

describe('nodes', () => {
  it('keep the order in which they were inserted, also around inserted ones', () => {
    const model = chain();
    const editor = new GraphEditor(model);
    const b = model.graph.node[1]!;
    const first = editor.node('Abs', ['h'], {}, { before: b, outputs: ['p'] });
    editor.node('Neg', [first], {}, { before: b, outputs: ['q'] });
    editor.node('Exp', ['h'], {}, { before: editor.producer('p')!, outputs: ['o'] });
    editor.node('Log', ['y'], {}, { after: b, outputs: ['r'] });
    editor.node('Sin', ['y'], {}, { after: b, outputs: ['s'] });
    editor.commit();
    expect(model.graph.node.map(({ output }) => output[0])).toEqual(['h', 'o', 'p', 'q', 'y', 'r', 's']);
  });

  it('without a place stand before those that need them, else at the end, in the order of need', () => {
    const model = chain();
    const editor = new GraphEditor(model);
    const late = editor.freshName('late');
    const needed = editor.node('Abs', [late], {}, { outputs: ['needed'] });
    editor.node('Cos', ['y'], {}, { outputs: ['end'] });
    editor.node('Exp', ['x'], {}, { outputs: [late] });
    editor.replaceUses('h', needed);
    editor.commit();
    expect(model.graph.node.map(({ output }) => output[0])).toEqual(['h', 'late', 'needed', 'y', 'end']);
    checkModel(model);
  });

  it('keep their identity when they are edited; the copy is the same every time', () => {
    const model = chain();
    const node = model.graph.node[1]!;
    node.docString = 'kept';
    const editor = new GraphEditor(model);
    editor.edit(node).opType = 'Abs';
    expect(editor.edit(node)).toBe(editor.edit(node));
    editor.commit();
    expect(model.graph.node[1]).toBe(node);
    expect(node).toMatchObject({ opType: 'Abs', docString: 'kept', output: ['y'] });
  });

  it('are replaced in their place, with attributes and domain', () => {
    const model = chain();
    const editor = new GraphEditor(model);
    editor.requireOpset('com.acme', 2);
    editor.replaceNode(model.graph.node[0]!, 'Scale', ['x', 'w'], { axis: 1 }, { domain: 'com.acme' });
    editor.commit();
    expect(lines(model.graph)).toEqual(['h = Scale(x,w)', 'y = Neg(h)']);
    expect(model.graph.node[0]).toMatchObject({ name: 'a', domain: 'com.acme', attribute: [{ name: 'axis', i: 1 }] });
    expect(model.opset('com.acme')).toBe(2);
  });

  it('that compute for nothing are removed, with their initializers and declarations', () => {
    const model = branching();
    const { graph } = model;
    graph.valueInfo = [{ name: 'h' }, { name: 'unused' }];
    graph.node.push({ input: ['h', 'v'], output: ['unused'], name: 'dead', opType: 'Add', attribute: [] });
    graph.initializer.push(vector('v', 1));
    const editor = new GraphEditor(model);
    editor.removeDead();
    editor.commit();
    expect(lines(graph)).toEqual(['h = Relu(x)', 'y = If(cond)']);
    expect([graph.initializer, graph.valueInfo]).toEqual([[], [{ name: 'h' }]]);
  });
});

it('an unused input keeps its default value, so that it need not be fed', () => {
  const model = chain();
  model.graph.initializer.push(vector('v', 1));
  model.graph.input.push({ name: 'v' });
  const editor = new GraphEditor(model);
  editor.removeDead();
  editor.commit();
  expect(model.graph.initializer.map(({ name }) => name)).toEqual(['w', 'v']);
});

describe('values', () => {
  it('are replaced where bodies capture them, at any depth', () => {
    const model = branching();
    const editor = new GraphEditor(model);
    const scaled = editor.node('Neg', ['h'], {}, { after: model.graph.node[0]!, outputs: ['g'] });
    const count = editor.replaceUses('h', scaled, { nodes: (node) => node.opType === 'If' });
    editor.commit();
    const [then, other] = new GraphEditor(model).bodies(model.graph.node[2]!);
    expect(count).toBe(3);
    expect(lines(then!.graph)[0]).toBe('inner = Add(g,c)');
    expect(other!.bodies(other!.graph.node[0]!).flatMap(({ graph }) => lines(graph))).toEqual([
      'abs_out = Abs(g)',
      'neg_out = Neg(g)',
    ]);
    checkModel(model);
  });

  it('that a body defines itself are others', () => {
    const model = branching();
    const then = new GraphEditor(model).body(model.graph.node[1]!, 'then_branch').graph;
    then.node.unshift({ input: ['x'], output: ['h'], name: 'own', opType: 'Exp', attribute: [] });
    const editor = new GraphEditor(model);
    editor.replaceUses('h', editor.node('Neg', ['h'], {}, { outputs: ['g'] }), {
      nodes: ({ opType }) => opType === 'If',
    });
    editor.commit();
    expect(lines(then)).toEqual(['h = Exp(x)', 'inner = Add(h,c)', 'then_out = Identity(inner)']);
  });

  it('are not replaced by what a body would take for its own', () => {
    const model = branching();
    const editor = new GraphEditor(model);
    expect(failure(() => editor.replaceUses('h', 'inner'))).toMatchObject({
      code: 'NAME_HIDDEN',
      details: { value: 'inner', node: 'if' },
    });
  });

  it('are known by name and scope', () => {
    const model = branching();
    const editor = new GraphEditor(model);
    const body = editor.body(model.graph.node[1]!, 'then_branch');
    expect(body.scopeOf('inner')).toBe(body);
    expect(body.scopeOf('h')).toBe(editor);
    expect(editor.scopeOf('inner')).toBeUndefined();
  });

  it('are renamed everywhere, graph outputs where they are meant and bodies included', () => {
    const model = branching();
    model.graph.valueInfo = [{ name: 'h', type: { tensorType: { elemType: DataType.FLOAT } } }];
    model.graph.quantizationAnnotation = [{ tensorName: 'h', quantParameterTensorNames: [] }];
    const editor = new GraphEditor(model);
    editor.renameValue('h', 'hidden');
    editor.renameValue('y', 'result');
    editor.renameValue('x', 'image');
    editor.commit();
    checkModel(model);
    const { graph } = model;
    expect(lines(graph)).toEqual(['hidden = Relu(image)', 'result = If(cond)']);
    expect([...graph.input, ...graph.output, ...graph.valueInfo].map(({ name }) => name)).toEqual([
      'image',
      'cond',
      'result',
      'hidden',
    ]);
    expect(graph.quantizationAnnotation[0]?.tensorName).toBe('hidden');
  });

  it('of a body are edited as those of the main graph', () => {
    const model = branching();
    const editor = new GraphEditor(model);
    const body = editor.body(model.graph.node[1]!, 'then_branch');
    // The body takes a value that is added to the outer graph, which therefore stands before the If.
    const outer = editor.node('Exp', ['x'], {}, { outputs: ['e'] });
    const sum = body.node('Add', ['inner', outer], {}, { outputs: ['sum'] });
    body.replaceUses('inner', sum, { nodes: ({ name }) => name === 'id' });
    expect(
      editor.replaceUses('e', editor.node('Neg', ['e'], {}, { outputs: ['n'] }), { nodes: (n) => n.name === 'if' }),
    ).toBe(1);
    editor.commit();
    expect(lines(model.graph)).toEqual(['h = Relu(x)', 'e = Exp(x)', 'n = Neg(e)', 'y = If(cond)']);
    expect(lines(body.graph)).toEqual(['inner = Add(h,c)', 'sum = Add(inner,n)', 'then_out = Identity(sum)']);
    checkModel(model);
  });
});

describe('constants', () => {
  it('become inputs and initializers again, in the same bytes', () => {
    const model = chain();
    const before = bytes(model);
    const editor = new GraphEditor(model);
    const held = editor.promote('w');
    editor.commit();
    const type = { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimValue: 2 }] } } };
    expect(model.graph.input[1]).toEqual({ name: 'w', type });
    expect(model.graph.initializer).toEqual([]);
    expect(Array.from(readNumbers(held))).toEqual([1, 2]);
    editor.bind('w', held);
    editor.commit();
    expect(bytes(model)).toBe(before);
  });

  it('of Constant nodes become inputs as well', () => {
    const b = new GraphBuilder();
    b.node('Constant', [], { value_floats: { floats: [1, 2, 3] } }, { outputs: ['k'] });
    b.node('Neg', ['k'], {}, { outputs: ['y'] });
    b.output('y');
    const model = b.build();
    const editor = new GraphEditor(model);
    editor.promote('k');
    editor.commit();
    expect(lines(model.graph)).toEqual(['y = Neg(k)']);
    expect(model.graph.input.map(({ name }) => name)).toEqual(['k']);
  });

  it('that an input overrides lose their default value only', () => {
    const model = chain();
    model.graph.input.push({ name: 'w', docString: 'a weight' });
    const editor = new GraphEditor(model);
    editor.promote('w');
    editor.commit();
    expect(model.graph.input.map(({ name, docString }) => [name, docString])).toEqual([
      ['x', undefined],
      ['w', 'a weight'],
    ]);
  });

  it('are exchanged in their place, and the old tensor stays as it was', () => {
    const model = chain();
    model.graph.initializer.push(vector('last', 9));
    const old = model.graph.initializer[0]!;
    const editor = new GraphEditor(model);
    editor.replaceConstant('w', vector('anything', 5, 6));
    expect(Array.from(readNumbers(editor.constant('w')!))).toEqual([5, 6]);
    editor.commit();
    expect(model.graph.initializer.map(({ name }) => name)).toEqual(['w', 'last']);
    expect(Array.from(readNumbers(model.graph.initializer[0]!))).toEqual([5, 6]);
    expect([old.name, ...readNumbers(old)]).toEqual(['w', 1, 2]);
  });
});

describe('the interface', () => {
  it('takes inputs and outputs, with the types that the graph declares', () => {
    const model = chain();
    const type = { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimValue: 2 }] } } };
    model.graph.valueInfo = [{ name: 'h', type }];
    const editor = new GraphEditor(model);
    const rate = editor.addInput('x', DataType.FLOAT, ['batch', 2]);
    const scaled = editor.node('Mul', ['h', rate]);
    editor.setOutputs(['h', scaled, 'y']);
    editor.removeOutput('y');
    editor.commit();
    checkModel(model);
    expect(model.graph.output).toEqual([{ name: 'h', type }, { name: scaled }]);
    expect(model.graph.input.map(({ name }) => name)).toEqual(['x', 'x_0']);
  });
});

describe('a value whose node was removed', () => {
  it('can be fed under its own name', () => {
    const model = chain();
    const editor = new GraphEditor(model);
    editor.removeNode(editor.producer('h')!);
    editor.insertInput({ name: 'h', type: { tensorType: { elemType: DataType.FLOAT } } });
    editor.commit();
    checkModel(model);
    expect(model.graph.input.map(({ name }) => name)).toEqual(['x', 'h']);
    expect(lines(model.graph)).toEqual(['y = Neg(h)']);
  });
});

describe('size', () => {
  it('thousands of nodes and hundreds of inputs make a valid graph', () => {
    const model = chain();
    for (let i = 0; i < 300; i++) model.graph.initializer.push(vector(`p${i}`, i, i));
    const editor = new GraphEditor(model, { prefix: 'grad/' });
    let value = 'y';
    for (let i = 0; i < 5000; i++) value = editor.node('Add', [value, `p${i % 300}`]);
    for (let i = 0; i < 300; i++) editor.promote(`p${i}`);
    editor.addOutput(value);
    editor.commit();
    checkModel(model);
    expect([model.graph.node.length, model.graph.input.length, model.graph.initializer.length]).toEqual([5002, 301, 1]);
  });
});
