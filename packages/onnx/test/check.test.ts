import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkModel,
  DataType,
  type FunctionProto,
  GraphBuilder,
  type GraphProto,
  InvalidModelError,
  loadModel,
  type Model,
  type NodeProto,
  parseModel,
} from '../src/index.ts';

const DATA = join(__dirname, 'data');

/** x -> Relu 'a' -> Relu 'b' -> y, with a weight that nothing uses. */
function chain(): Model {
  const b = new GraphBuilder();
  b.initializer('w', [2], [1, 2]);
  const a = b.node('Relu', [b.input('x', [1])], {}, { name: 'a', outputs: ['a_out'] });
  b.output(b.node('Relu', [a], {}, { name: 'b', outputs: ['y'] }), [1]);
  return b.build();
}

const node = (name: string, opType: string, input: string[], output: string[]): NodeProto => ({
  name,
  opType,
  input,
  output,
  attribute: [],
});

function errorOf(model: Model): InvalidModelError {
  try {
    checkModel(model);
  } catch (error) {
    if (error instanceof InvalidModelError) return error;
    throw error;
  }
  throw new Error('the model passed');
}

/** The error of the chain model after a change. */
function errorAfter(change: (graph: GraphProto, model: Model) => void): InvalidModelError {
  const model = chain();
  checkModel(model);
  change(model.graph, model);
  return errorOf(model);
}

describe('checkModel', () => {
  it.each(readdirSync(DATA).filter((name) => name.endsWith('.onnx')))('accepts %s', async (name) => {
    checkModel(await loadModel(join(DATA, name)));
  });

  it('names the file', async () => {
    const model = await loadModel(join(DATA, 'tiny-resnet.onnx'));
    model.graph.output = [];
    expect(errorOf(model).message).toMatch(/^The graph has no outputs \(file '.*tiny-resnet\.onnx'\)/);
  });

  it('finds that a file was cut off behind the graph', () => {
    const bytes = readFileSync(join(DATA, 'tiny-resnet.onnx'));
    const { proto } = parseModel(bytes);
    proto.opsetImport = [];
    expect(errorOf(chainWith((model) => Object.assign(model.proto, proto))).code).toBe('NO_OPSET_IMPORT');
  });
});

function chainWith(change: (model: Model) => void): Model {
  const model = chain();
  change(model);
  return model;
}

describe('values', () => {
  it('that nothing defines', () => {
    const error = errorAfter((graph) => {
      graph.node[1]!.input[0] = 'a_oud';
    });
    expect(error.code).toBe('UNDEFINED_VALUE');
    expect(error.details).toMatchObject({ node: 'b', operator: 'Relu', opset: 17, value: 'a_oud' });
    expect(error.message).toBe(
      "A node uses a value that nothing defines (node 'b', operator Relu v17, value 'a_oud'). Did you mean 'a_out' or 'w'?",
    );
  });

  it('that are graph outputs and nothing computes', () => {
    const error = errorAfter((graph) => {
      graph.output.push({ name: 'z' });
    });
    expect([error.code, error.details.value]).toEqual(['UNDEFINED_VALUE', 'z']);
  });

  it.each([
    ['another node', 'a_out', "an output of node 'a'"],
    ['a graph input', 'x', 'a graph input'],
    ['an initializer', 'w', 'an initializer'],
  ])('that have the name of %s', (_, name, actual) => {
    const error = errorAfter((graph) => {
      graph.node[1]!.output.push(name);
    });
    expect(error.code).toBe('DUPLICATE_VALUE');
    expect(error.details).toMatchObject({ node: 'b', value: name, actual: `the name of ${actual}` });
  });

  it('that are inputs twice', () => {
    expect(errorAfter((graph) => graph.input.push({ name: 'x' })).code).toBe('DUPLICATE_VALUE');
  });

  it('that are initializers twice, sparse ones included', () => {
    expect(errorAfter((graph) => graph.initializer.push(graph.initializer[0]!)).code).toBe('DUPLICATE_INITIALIZER');
    const sparse = { values: { name: 'w', dims: [0], dataType: 1 }, indices: { dims: [0], dataType: 7 }, dims: [4] };
    expect(errorAfter((graph) => graph.sparseInitializer.push(sparse)).code).toBe('DUPLICATE_INITIALIZER');
  });

  it('may be an input and an initializer: its default value', () => {
    checkModel(chainWith(({ graph }) => graph.input.push({ name: 'w' })));
  });

  it('may be absent: empty names', () => {
    checkModel(chainWith(({ graph }) => graph.node.push(node('c', 'Clip', ['y', '', 'w'], ['z', '', '']))));
  });

  it('need names', () => {
    expect(errorAfter((graph) => graph.input.push({})).code).toBe('UNNAMED_VALUE');
    expect(errorAfter((graph) => graph.initializer.push({ dims: [], dataType: 1 })).code).toBe('UNNAMED_VALUE');
  });
});

describe('order', () => {
  it('of nodes that are not sorted is told from a cycle', () => {
    const error = errorAfter((graph) => graph.node.reverse());
    expect(error.code).toBe('NOT_SORTED');
    expect(error.details).toMatchObject({ node: 'b', value: 'a_out', repair: expect.stringContaining('Sort') });
  });

  it('of a cycle is shown', () => {
    const error = errorAfter((graph) => {
      graph.node = [
        node('p', 'Add', ['x', 'r_out'], ['p_out']),
        node('q', 'Relu', ['p_out'], ['q_out']),
        node('r', 'Relu', ['q_out'], ['r_out']),
        node('tail', 'Relu', ['r_out'], ['y']),
      ];
    });
    expect(error.code).toBe('CYCLE');
    expect(error.details.actual).toBe("'p' -> 'q' -> 'r' -> 'p'");
  });

  it('of a node that needs itself is a cycle', () => {
    const error = errorAfter((graph) => graph.node[0]!.input.push('a_out'));
    expect([error.code, error.details.actual]).toEqual(['CYCLE', "'a' -> 'a'"]);
  });
});

describe('operator sets', () => {
  it('that a node uses must be imported', () => {
    const error = errorAfter((graph) => {
      graph.node[1]!.domain = 'com.acme';
    });
    expect(error.code).toBe('MISSING_OPSET_IMPORT');
    expect(error.message).toMatch(/operator set 'com\.acme' \(node 'b', operator com\.acme::Relu\)/);
  });

  it('of ai.onnx may be written in two ways', () => {
    checkModel(
      chainWith(({ graph }) => {
        graph.node[1]!.domain = 'ai.onnx';
      }),
    );
    const twice = errorAfter((_, { proto }) => proto.opsetImport.push({ domain: 'ai.onnx', version: 17 }));
    expect(twice.code).toBe('DUPLICATE_OPSET_IMPORT');
  });

  it('are not needed before IR version 3', () => {
    checkModel(chainWith(({ proto }) => Object.assign(proto, { irVersion: 2, opsetImport: [] })));
  });

  it('have operators', () => {
    expect(errorAfter((graph) => delete graph.node[0]!.opType).code).toBe('NO_OPERATOR');
  });
});

describe('tensors', () => {
  const floats = (dims: number[], rawData: Uint8Array) => ({ name: 't', dims, dataType: DataType.FLOAT, rawData });

  it('with more or less content than their dims say', () => {
    const error = errorAfter((graph) => graph.initializer.push(floats([3], new Uint8Array(8))));
    expect(error.code).toBe('TENSOR_SIZE');
    expect(error.details).toMatchObject({ value: 't', expected: '12 bytes for FLOAT [3]', actual: '8 bytes' });
  });

  it('in typed fields', () => {
    const typed = { name: 't', dims: [3], dataType: DataType.INT64, int64Data: [1, 2] };
    expect(errorAfter((graph) => graph.initializer.push(typed)).details.actual).toBe('2 values');
    checkModel(chainWith(({ graph }) => graph.initializer.push({ ...typed, dims: [2] })));
    // Two 4-bit elements per entry, so three elements take two entries.
    checkModel(
      chainWith(({ graph }) => graph.initializer.push({ name: 't', dims: [3], dataType: 22, int32Data: [1, 2] })),
    );
  });

  it('in attributes', () => {
    const t = floats([3], new Uint8Array(8));
    const attribute = [{ name: 'value', type: 4, t }];
    const error = errorAfter((graph) => graph.node.push({ ...node('c', 'Constant', [], ['c_out']), attribute }));
    expect(error.code).toBe('TENSOR_SIZE');
  });

  it('of no known type, or with negative dims', () => {
    expect(errorAfter((graph) => graph.initializer.push({ name: 't', dims: [], dataType: 99 })).code).toBe(
      'TENSOR_TYPE',
    );
    expect(errorAfter((graph) => graph.initializer.push(floats([-1], new Uint8Array()))).code).toBe('TENSOR_DIMS');
  });
});

/** A branch of an If that adds `uses` to a value of its own. */
function branch(uses: string): GraphProto {
  const body = new GraphBuilder({ name: 'branch' });
  body.initializer('one', [1], [1]);
  body.output(body.node('Add', [uses, 'one'], {}, { outputs: ['sum'] }), [1]);
  return body.graph();
}

function conditional(uses: string, later?: NodeProto): Model {
  const b = new GraphBuilder();
  b.input('cond', [], DataType.BOOL);
  b.input('x', [1]);
  const a = b.node('Relu', ['x'], {}, { outputs: ['a_out'] });
  const y = b.node(
    'If',
    ['cond'],
    { then_branch: branch(uses), else_branch: branch(a) },
    { name: 'if', outputs: ['y'] },
  );
  b.output(y, [1]);
  if (later !== undefined) b.graph().node.push(later);
  return b.build();
}

describe('subgraphs', () => {
  it('see the values around them, and two branches may use the same names', () => {
    checkModel(conditional('a_out'));
    checkModel(conditional('x'));
  });

  it('do not see what is defined nowhere', () => {
    const error = errorOf(conditional('nowhere'));
    expect([error.code, error.details.value]).toEqual(['UNDEFINED_VALUE', 'nowhere']);
  });

  it('do not see what is computed later', () => {
    const error = errorOf(conditional('later', node('later', 'Relu', ['x'], ['later'])));
    expect([error.code, error.details.node, error.details.value]).toEqual(['NOT_SORTED', 'if', 'later']);
  });

  it('can be part of a cycle', () => {
    const error = errorOf(conditional('later', node('later', 'Relu', ['y'], ['later'])));
    expect([error.code, error.details.actual]).toEqual([
      'CYCLE',
      expect.stringMatching(/'if' -> 'later'|'later' -> 'if'/),
    ]);
  });

  it('do not hand out their own values but by their outputs', () => {
    const error = errorOf(conditional('x', node('later', 'Relu', ['sum'], ['later'])));
    expect([error.code, error.details.value]).toEqual(['UNDEFINED_VALUE', 'sum']);
  });
});

describe('functions', () => {
  const fn = (input: string): FunctionProto => ({
    name: 'Twice',
    domain: 'com.acme',
    input: ['a'],
    output: ['b'],
    attribute: [],
    node: [node('n', 'Add', ['a', input], ['b'])],
    opsetImport: [{ domain: '', version: 17 }],
  });

  it('see their inputs only', () => {
    checkModel(chainWith(({ proto }) => proto.functions.push(fn('a'))));
    const error = errorAfter((_, { proto }) => proto.functions.push(fn('x')));
    expect([error.code, error.details.value]).toEqual(['UNDEFINED_VALUE', 'x']);
  });

  it('compute their outputs', () => {
    const error = errorAfter((_, { proto }) => proto.functions.push({ ...fn('a'), output: ['c'] }));
    expect(error.message).toMatch(/output of function 'Twice'.*value 'c'/);
  });
});
