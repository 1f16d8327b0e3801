import {
  AttributeError,
  attrFloat,
  attrFloats,
  attrGraph,
  attrInt,
  attrInts,
  attrString,
  attrTensor,
  constantTensor,
  constantTensors,
  DataType,
  GraphBuilder,
  getAttribute,
  InvalidModelError,
  makeTensor,
  type NodeProto,
  readInts,
  readNumbers,
  replaceConstant,
  setAttribute,
} from '../src/index.ts';

const node = (...attribute: NodeProto['attribute']): NodeProto => ({
  name: 'n',
  opType: 'Foo',
  input: [],
  output: ['y'],
  attribute,
});

describe('reading attributes', () => {
  it('gives the value, the fallback, or undefined', () => {
    const n = node(
      { name: 'axis', type: 2, i: -1 },
      { name: 'alpha', type: 1, f: 0.5 },
      { name: 'pads', type: 7, ints: [1, 2] },
    );
    expect([attrInt(n, 'axis'), attrInt(n, 'group', 1), attrInt(n, 'group')]).toEqual([-1, 1, undefined]);
    expect([attrFloat(n, 'alpha'), attrFloat(n, 'beta', 2)]).toEqual([0.5, 2]);
    expect([attrInts(n, 'pads'), attrInts(n, 'strides', [1, 1]), attrInts(n, 'strides')]).toEqual([
      [1, 2],
      [1, 1],
      undefined,
    ]);
    expect([attrString(n, 'mode', 'linear'), attrTensor(n, 'value'), attrGraph(n, 'body')]).toEqual([
      'linear',
      undefined,
      undefined,
    ]);
  });

  it('reads an empty list that was written without its field', () => {
    expect(attrInts(node({ name: 'axes', type: 7 }), 'axes')).toEqual([]);
    expect(attrFloats(node({ name: 'scales', type: 6 }), 'scales', [1])).toEqual([]);
  });

  it('reads attributes without a type, as models of IR version 1 have them', () => {
    expect(attrInt(node({ name: 'axis', i: 2 }), 'axis')).toBe(2);
    expect(attrFloats(node({ name: 'scales', floats: [1.5] }), 'scales')).toEqual([1.5]);
  });

  it('refuses an attribute of another kind, and a reference to a function attribute', () => {
    const wrong = node({ name: 'axis', type: 1, f: 1 });
    expect(() => attrInt(wrong, 'axis')).toThrow(AttributeError);
    expect(() => attrInt(wrong, 'axis')).toThrow(/'axis'.*node 'n', operator Foo.*expected INT, found FLOAT/);
    expect(() => attrInt(node({ name: 'axis', refAttrName: 'dim' }), 'axis')).toThrow(
      /reference to the function's attribute 'dim'/,
    );
  });
});

describe('setAttribute', () => {
  it('replaces the value and its kind, and keeps the documentation', () => {
    const n = node({ name: 'axes', type: 2, i: 3, docString: 'doc' });
    setAttribute(n, 'axes', [1, 2], 'ints');
    expect(n.attribute).toEqual([{ name: 'axes', type: 7, ints: [1, 2], docString: 'doc' }]);
  });

  it('adds an attribute that the node does not have', () => {
    const n = node();
    setAttribute(n, 'mode', 'fast', 'string');
    expect([attrString(n, 'mode'), getAttribute(n, 'mode')?.type]).toEqual(['fast', 3]);
  });
});

/** Every way in which a Constant node holds numbers, and an initializer. */
function constants(): GraphBuilder {
  const b = new GraphBuilder();
  b.initializer('w', [2], [1, 2]);
  b.node('Constant', [], { value: makeTensor('', DataType.INT64, [2], [3, 4]) }, { outputs: ['value'] });
  b.node('Constant', [], { value_int: 5 }, { outputs: ['int'] });
  b.node('Constant', [], { value_ints: [6, 7] }, { outputs: ['ints'] });
  b.node('Constant', [], { value_float: { float: 8 } }, { outputs: ['float'] });
  b.node('Constant', [], { value_floats: { floats: [9, 10] } }, { outputs: ['floats'] });
  b.node('Constant', [], { value_string: 'x' }, { outputs: ['string'] });
  b.node('Constant', [], { value_int: 1 }, { outputs: ['foreign'], domain: 'com.acme' });
  return b;
}

describe('constantTensors', () => {
  it('finds initializers and Constant nodes of every kind', () => {
    const found = constantTensors(constants().graph());
    const content = [...found].map(([name, tensor]) => [name, tensor.dims, [...readNumbers(tensor)]]);
    expect(content).toEqual([
      ['w', [2], [1, 2]],
      ['value', [2], [3, 4]],
      ['int', [], [5]],
      ['ints', [2], [6, 7]],
      ['float', [], [8]],
      ['floats', [2], [9, 10]],
    ]);
  });

  it('gives live tensors', () => {
    const graph = constants().graph();
    expect(constantTensors(graph).get('w')).toBe(graph.initializer[0]);
    expect(constantTensors(graph).get('value')).toBe(graph.node[0]?.attribute[0]?.t);
  });

  it('does not take a value that a function is given from outside', () => {
    const reference = { ...node({ name: 'value', type: 4, refAttrName: 'v' }), opType: 'Constant' };
    expect(constantTensor(reference)).toBeUndefined();
  });
});

describe('replaceConstant', () => {
  it.each(['w', 'value', 'int', 'ints', 'floats'])('changes %s wherever it is stored', (name) => {
    const graph = constants().graph();
    replaceConstant(graph, name, makeTensor(name, DataType.INT64, [1], [42]));
    expect(readInts(constantTensors(graph).get(name)!)).toEqual([42]);
    expect(constantTensors(graph).size).toBe(6);
  });

  it('refuses a name that is no constant', () => {
    const tensor = makeTensor('', DataType.INT64, [1], [42]);
    expect(() => replaceConstant(constants().graph(), 'string2', tensor)).toThrow(InvalidModelError);
  });
});
