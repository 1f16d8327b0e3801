/**
 * Graphs in graphs and types in types: what can be read back is taken, what is deeper is refused by everything that takes
 * a model, from bytes or from code.
 *
 * Depths are those of messages, the model being 0: the main graph is 1, and each graph inside a graph is three deeper
 * (node, attribute, graph). A value that says one size reaches five below its graph: declaration, type, tensor type,
 * shape, dimension. A sequence is two deeper than the type that it is given for.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkModel,
  cloneProto,
  DataType,
  encodedSize,
  encodeMessage,
  encodeModel,
  fingerprint,
  GraphBuilder,
  GraphEditor,
  type GraphProto,
  GraphScope,
  loadModel,
  Model,
  type ModelProto,
  OnnxPruningError,
  outerReferences,
  parseModel,
  printModel,
  saveModel,
  scopesOf,
  type TypeProto,
  visitTensors,
} from '../src/index.ts';
import { branches, nestedIfs, nestedTypes } from './deep.ts';
import { field, message } from './wire.ts';

const folder = mkdtempSync(join(tmpdir(), 'nesting-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The code and the depth that an error says; undefined where there is none. */
async function refusalOf(work: () => unknown): Promise<{ code: string; actual?: unknown } | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof OnnxPruningError)) throw error;
    return { code: error.code, actual: error.details.actual };
  }
}

const TOO_DEEP = 'NESTED_TOO_DEEPLY';
const depthOfIfs = (count: number): number => 1 + 3 * count + 5;
const depthOfSequences = (count: number): number => 3 + 2 * count + 1;

const deepest = nestedIfs(20_000);

const fromCode: Readonly<Record<string, (model: Model) => unknown>> = {
  checkModel,
  printModel,
  encodeModel,
  encodedSize,
  saveModel: (model) => saveModel(model, join(folder, 'out.onnx')),
  fingerprint: (model) => fingerprint(model.proto),
  clone: (model) => model.clone(),
};

describe('the deepest model that is taken', () => {
  it('is read back as it was: 31 Ifs inside one another', async () => {
    const model = nestedIfs(31);
    for (const work of Object.values(fromCode)) expect(await refusalOf(() => work(model))).toBeUndefined();
    const bytes = encodeModel(model);
    expect(Buffer.compare(encodeModel(parseModel(bytes)), bytes)).toBe(0);
    expect([...scopesOf(model.proto)]).toHaveLength(1 + 2 * 31);
    expect(new Set(outerReferences(model.graph.node[0]!.attribute[1]!.g!))).toEqual(new Set(['x', 'cond']));
  });

  it('is read back as it was: 48 sequences inside one another', () => {
    expect(depthOfSequences(48)).toBe(100);
    const bytes = encodeModel(nestedTypes(48));
    expect(Buffer.compare(encodeModel(parseModel(bytes)), bytes)).toBe(0);
  });
});

describe.each(Object.entries(fromCode))('%s refuses a model from code', (_, work) => {
  it.each([32, 100, 1000])('with %d Ifs inside one another', async (count) => {
    expect(await refusalOf(() => work(nestedIfs(count)))).toEqual({ code: TOO_DEEP, actual: `${depthOfIfs(count)}` });
  });

  it('with 20,000 Ifs inside one another, which are not counted to the end', async () => {
    const actual = expect.stringMatching(/^at least \d{4,}$/);
    expect(await refusalOf(() => work(deepest))).toEqual({ code: TOO_DEEP, actual });
  });

  it.each([49, 100, 1000, 20_000])('with %d sequences inside one another', async (count) => {
    const actual = `${depthOfSequences(count)}`;
    expect(await refusalOf(() => work(nestedTypes(count)))).toEqual({ code: TOO_DEEP, actual });
  });

  it('whose graph contains itself', async () => {
    const model = nestedIfs(1);
    model.graph.node[0]!.attribute[0]!.g = model.graph;
    expect(await refusalOf(() => work(model))).toEqual({
      code: TOO_DEEP,
      actual: expect.stringMatching(/^at least \d{4,}$/),
    });
  });
});

describe('from bytes', () => {
  it.each([32, 100, 1000, 20_000])('%d Ifs inside one another are refused', async (count) => {
    const bytes = branches(count);
    const refused = { code: TOO_DEEP, actual: `${depthOfIfs(count)}` };
    expect(await refusalOf(() => parseModel(bytes))).toEqual(refused);
    // Small files are read as a whole; of large ones, the structure is read first.
    const path = join(folder, 'deep.onnx');
    for (const padding of [0, 2 ** 18]) {
      writeFileSync(path, message(field(6, 'x'.repeat(padding)), bytes));
      expect(await refusalOf(() => loadModel(path))).toEqual(refused);
    }
  });

  it('31 Ifs inside one another are what the builder gives', () => {
    expect(Buffer.compare(branches(31), encodeModel(nestedIfs(31)))).toBe(0);
  });

  it('a file whose raw data lies deep is refused', async () => {
    // Of large messages the structure is followed into the depth: each holds more than what is read as a whole.
    const tensor = message(field(1, 2 ** 18), field(2, 3), field(9, new Uint8Array(2 ** 18)));
    const attribute = message(field(1, 'value'), field(5, tensor), field(20, 4));
    let graph = message(field(1, field(5, attribute)));
    for (let i = 0; i < 34; i++) graph = message(field(1, field(5, message(field(1, 'body'), field(6, graph)))));
    const path = join(folder, 'raw.onnx');
    writeFileSync(path, message(field(1, 8), field(7, graph)));
    expect(await refusalOf(() => loadModel(path))).toEqual({ code: TOO_DEEP, actual: `${1 + 3 * 34 + 3}` });
  });

  it('groups that no version of ONNX has, inside one another, are refused', async () => {
    const [begin, end] = [Uint8Array.of(0xa3, 0x06), Uint8Array.of(0xa4, 0x06)];
    const groups = [...Array<Uint8Array>(20_000).fill(begin), ...Array<Uint8Array>(20_000).fill(end)];
    const bytes = message(field(1, 8), field(7, message(field(2, 'g'))), Buffer.concat(groups));
    expect(await refusalOf(() => parseModel(bytes))).toEqual({ code: TOO_DEEP, actual: 'more' });
  });
});

describe('wherever graphs and types are', () => {
  const deepGraph = (): GraphProto => nestedIfs(40).graph;
  const deepType = (): TypeProto => nestedTypes(100).graph.input[0]!.type!;
  const places: Readonly<Record<string, (proto: ModelProto) => void>> = {
    'a function': (proto) => {
      const { node } = deepGraph();
      proto.functions = [{ name: 'f', input: [], output: [], attribute: [], node, opsetImport: [] }];
    },
    'a training graph': (proto) => {
      proto.trainingInfo = [{ initialization: deepGraph(), initializationBinding: [], updateBinding: [] }];
    },
    'a list of graphs': (proto) => {
      proto.graph!.node[0]!.attribute.push({ name: 'bodies', graphs: [nestedIfs(0).graph, deepGraph()] });
    },
    'a type in an attribute': (proto) => {
      proto.graph!.node[0]!.attribute.push({ name: 'type', tp: deepType() });
    },
    'a list of types': (proto) => {
      proto.graph!.node[0]!.attribute.push({ name: 'types', typeProtos: [{}, deepType()] });
    },
    'a declared value of a body': (proto) => {
      proto.graph!.node[0]!.attribute[0]!.g!.valueInfo.push({ name: 'v', type: deepType() });
    },
    'a map': (proto) => {
      let type: TypeProto = {};
      for (let i = 0; i < 100; i++) type = { mapType: { keyType: 7, valueType: { optionalType: { elemType: type } } } };
      proto.graph!.input.push({ name: 'map', type });
    },
  };

  it.each(Object.entries(places))('they are found: in %s', async (_, put) => {
    const model = nestedIfs(1);
    put(model.proto);
    for (const work of [checkModel, encodeModel, (one: Model) => one.clone()]) {
      expect(await refusalOf(() => work(model))).toMatchObject({ code: TOO_DEEP });
    }
  });

  it('the node is named in which it begins', () => {
    const model = nestedIfs(1);
    model.graph.node[0]!.name = 'here';
    model.graph.node[0]!.attribute[0]!.g = deepGraph();
    expect(() => checkModel(model)).toThrow(/node 'here', operator If/);
  });
});

describe('what takes parts of a model', () => {
  const works: Readonly<Record<string, (graph: GraphProto) => unknown>> = {
    printModel,
    outerReferences,
    cloneProto,
    encodeMessage: (graph) => encodeMessage('GraphProto', graph),
    visitTensors: (graph) => visitTensors(new Model(modelOf(graph)).proto, () => undefined),
    scopesOf: (graph) => [...scopesOf(modelOf(graph))],
    freshName: (graph) => new GraphEditor(new Model(modelOf(graph))).freshName('x'),
    'inserting a node': (graph) => {
      const editor = new GraphEditor(nestedIfs(1));
      editor.insert({ ...graph.node[0]!, name: 'deep', output: ['deep'] });
      editor.commit();
    },
  };

  it.each(Object.entries(works))('%s refuses 20,000 Ifs inside one another', async (_, work) => {
    expect(await refusalOf(() => work(deepest.graph))).toMatchObject({ code: TOO_DEEP });
  });

  it('a name is looked up through any number of scopes', () => {
    const { graph } = nestedIfs(0);
    const outermost = new GraphScope(graph);
    const empty = new GraphBuilder().graph();
    let scope = outermost;
    for (let i = 0; i < 20_000; i++) scope = new GraphScope(empty, scope);
    expect(scope.resolve('x')).toBe(outermost);
    expect(scope.resolve('nothing')).toBeUndefined();
  });
});

const modelOf = (graph: GraphProto): ModelProto => ({
  graph,
  opsetImport: [{ domain: '', version: 17 }],
  metadataProps: [],
  trainingInfo: [],
  functions: [],
});

it('a message of many that are not deep is no matter', () => {
  const b = new GraphBuilder();
  b.input('x', [2]);
  b.input('cond', [], DataType.BOOL);
  for (let i = 0; i < 2000; i++) b.node('Relu', [i === 0 ? 'x' : `v${i - 1}`], {}, { outputs: [`v${i}`] });
  b.output('v1999', [2]);
  expect(() => checkModel(b.build())).not.toThrow();
});
