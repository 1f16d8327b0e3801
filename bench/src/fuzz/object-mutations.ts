/**
 * Damage to what a model says: each mutation changes one thing of a decoded model, which stays a well-formed message. Such
 * files get past the decoder and reach everything behind it.
 */
import {
  type AttributeProto,
  DataType,
  GraphBuilder,
  type GraphProto,
  type Model,
  makeTensor,
  type NodeProto,
  type Random,
  scopesOf,
  type TensorProto,
  tensorDims,
} from '@onnx-pruning/onnx';

type ObjectMutation = (graph: GraphProto, random: Random, model: Model) => void;

/** Numbers that break what was written for usual ones. */
const NUMBERS: readonly number[] = [
  ...[-1, 0, 1, 2, 3, 5, 7, 64, 255, -2, -3, 4096, 4097, 65536],
  ...[1e6, 1e8, 1e9, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 2 ** 62, -(2 ** 31), -(2 ** 53)],
];

const pick = <T>(list: readonly T[], random: Random): T | undefined => list[random.int(list.length)];
const numberOf = (random: Random): number => pick(NUMBERS, random)!;

const anyNode = (graph: GraphProto, random: Random): NodeProto | undefined => pick(graph.node, random);

/** A name that some value has, or none. */
function anyName(graph: GraphProto, random: Random): string {
  const names = [
    ...graph.node.flatMap((node) => [...node.input, ...node.output]),
    ...graph.initializer.map((tensor) => tensor.name ?? ''),
    ...graph.input.map((input) => input.name ?? ''),
  ];
  return random.int(8) === 0
    ? pick(['', '?', 'nothing', '*', "x'0", '__proto__'], random)!
    : (pick(names, random) ?? '');
}

/** Changes a list in one of the ways in which lists go wrong. */
function changeList<T>(list: T[], random: Random, another: () => T): void {
  const at = random.int(list.length + 1);
  switch (random.int(6)) {
    case 0:
      list.splice(at, 1);
      break;
    case 1:
      list.splice(at, 0, another());
      break;
    case 2:
      if (list.length > 0) list.push(list[at % list.length]!);
      break;
    case 3:
      if (list.length > 0) list[at % list.length] = another();
      break;
    case 4:
      list.reverse();
      break;
    default:
      list.length = at;
  }
}

const inputs: ObjectMutation = (graph, random) => {
  const node = anyNode(graph, random);
  if (node) changeList(node.input, random, () => anyName(graph, random));
};

const outputs: ObjectMutation = (graph, random) => {
  const node = anyNode(graph, random);
  if (node) changeList(node.output, random, () => anyName(graph, random));
};

const operator: ObjectMutation = (graph, random) => {
  const [node, other] = [anyNode(graph, random), anyNode(graph, random)];
  if (!node || !other) return;
  if (random.int(8) === 0) node.domain = pick(['', 'ai.onnx', 'com.microsoft', 'ai.onnx.ml', 'nobody'], random);
  else node.opType = random.int(8) === 0 ? '' : other.opType;
};

const OPERATORS: readonly string[] = [
  ...['Range', 'Tile', 'Expand', 'ConstantOfShape', 'Concat', 'ReduceSum', 'Reshape', 'Slice', 'Gather', 'Split'],
  ...['Transpose', 'Einsum', 'Loop', 'If', 'Scan', 'Resize', 'Pad', 'MatMul', 'Conv', 'Gemm', 'LSTM', 'Unsqueeze'],
  ...['OneHot', 'Where', 'NonZero', 'CumSum', 'TopK', 'DepthToSpace', 'Flatten', 'Squeeze', 'ScatterND', 'Shape'],
];

/** A node becomes another operator, whatever its inputs are. */
const anotherOperator: ObjectMutation = (graph, random) => {
  const node = anyNode(graph, random);
  if (node) node.opType = pick(OPERATORS, random);
};

const nodes: ObjectMutation = (graph, random) => {
  if (graph.node.length === 0) return;
  changeList(graph.node, random, () => {
    const node = anyNode(graph, random) ?? { input: [], output: [], attribute: [] };
    return {
      ...node,
      input: [...node.input],
      output: node.output.map((name) => `${name}${random.int(2) ? '_2' : ''}`),
    };
  });
};

const attributes: ObjectMutation = (graph, random) => {
  const node = pick(
    graph.node.filter(({ attribute }) => attribute.length > 0),
    random,
  );
  const attribute = node && pick(node.attribute, random);
  if (!attribute) return;
  if (random.int(6) === 0) changeList(node.attribute, random, () => ({ ...attribute, name: `${attribute.name}2` }));
  else changeAttribute(attribute, random);
};

function changeAttribute(attribute: AttributeProto, random: Random): void {
  if (random.int(10) === 0) attribute.type = random.int(16);
  else if (attribute.ints) changeList(attribute.ints, random, () => numberOf(random));
  else if (attribute.i !== undefined) attribute.i = numberOf(random);
  else if (attribute.f !== undefined) attribute.f = pick([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e30], random);
  else if (attribute.t) changeDims(attribute.t, random);
  else if (attribute.s) {
    const texts = ['', 'same', 'ij,jk->ik', 'i->i', '...i,ij->...j', 'SAME_UPPER', 'bidirectional', 'iiiiiiiiiiii->i'];
    attribute.s = Buffer.from(pick(texts, random)!);
  } else attribute.i = numberOf(random);
}

function changeDims(tensor: TensorProto, random: Random): void {
  changeList(tensor.dims, random, () => numberOf(random));
}

const initializerDims: ObjectMutation = (graph, random) => {
  const tensor = pick(graph.initializer, random);
  if (tensor) changeDims(tensor, random);
};

/** Dims and content still fit each other, but not the node. */
const initializerShape: ObjectMutation = (graph, random) => {
  const at = random.int(graph.initializer.length + 1);
  const tensor = graph.initializer[at];
  if (!tensor || tensor.dataType === DataType.STRING) return;
  const dims = tensorDims(tensor);
  changeList(dims, random, () => pick([0, 1, 2, 3, 5, 8], random)!);
  const size = dims.reduce((n, dim) => n * dim, 1);
  if (size > 1e5 || dims.some((dim) => dim < 0)) return;
  graph.initializer[at] = makeTensor(tensor.name ?? '', tensor.dataType ?? 1, dims, new Array<number>(size).fill(1));
};

const initializerType: ObjectMutation = (graph, random) => {
  const tensor = pick(graph.initializer, random);
  if (tensor) tensor.dataType = random.int(26);
};

/** Numbers that sizes, positions and axes are made of. */
const constants: ObjectMutation = (graph, random) => {
  const integers = graph.initializer.filter(({ dataType }) => dataType === DataType.INT64);
  const tensor = pick(integers, random);
  if (!tensor) return;
  const dims = tensorDims(tensor);
  const size = dims.reduce((n, dim) => n * dim, 1);
  if (size > 1e4 || size < 1) return;
  const values = Array.from({ length: size }, () => numberOf(random));
  graph.initializer[graph.initializer.indexOf(tensor)] = makeTensor(tensor.name ?? '', DataType.INT64, dims, values);
};

/** A node in front of another whose result is huge: a few bytes that ask for gigabytes. */
const bomb: ObjectMutation = (graph, random) => {
  const at = random.int(graph.node.length + 1);
  const name = `bomb${random.int(1e6)}`;
  const int = (suffix: string, values: readonly number[], dims = [values.length]): string => {
    graph.initializer.push(makeTensor(`${name}.${suffix}`, DataType.INT64, dims, values));
    return `${name}.${suffix}`;
  };
  const huge = pick([4096, 1e5, 1e7, 1e8, 1e9, 2 ** 31, 2 ** 40, 2 ** 53], random)!;
  const made: readonly (readonly [string, readonly string[]])[] = [
    ['Range', [int('start', [0], []), int('limit', [huge], []), int('delta', [1], [])]],
    ['ConstantOfShape', [int('shape', random.int(2) ? [huge] : [huge, huge])]],
    ['Tile', [int('few', [1, 2, 3, 4]), int('repeats', [huge])]],
    ['Expand', [int('one', [7]), int('shape', [huge, 3])]],
  ];
  const [opType, input] = pick(made, random)!;
  graph.node.splice(at, 0, { opType, input: [...input], output: [name], attribute: [], name });
  const user = graph.node[at + 1 + random.int(Math.max(1, graph.node.length - at - 1))];
  if (user && user.input.length > 0) user.input[random.int(user.input.length)] = name;
};

const valueInfo: ObjectMutation = (graph, random) => {
  const entry = pick([...graph.input, ...graph.output, ...graph.valueInfo], random);
  const dims = entry?.type?.tensorType?.shape?.dim;
  if (!entry || !dims || random.int(10) === 0) {
    if (entry) entry.type = random.int(2) ? undefined : { tensorType: { elemType: random.int(26) } };
    return;
  }
  changeList(dims, random, () => {
    const symbols = ['batch', '', '?', 'a*b', '-1', '2*h', '(', '9007199254740993*n', 'h + 1', "'"];
    return random.int(3) === 0 ? { dimParam: pick(symbols, random) } : { dimValue: numberOf(random) };
  });
};

/** A shape for a value that had none. */
const declaredShape: ObjectMutation = (graph, random) => {
  const dim = Array.from({ length: random.int(6) }, () =>
    random.int(3) === 0 ? { dimParam: 'batch' } : { dimValue: numberOf(random) },
  );
  graph.valueInfo.push({ name: anyName(graph, random), type: { tensorType: { elemType: 1, shape: { dim } } } });
};

const names: ObjectMutation = (graph, random) => {
  const name = anyName(graph, random);
  const entry = pick([...graph.initializer, ...graph.input, ...graph.output, ...graph.node], random);
  if (entry) entry.name = name;
};

const lists: ObjectMutation = (graph, random) => {
  const list = pick([graph.initializer, graph.input, graph.output, graph.valueInfo] as { name?: string }[][], random)!;
  if (list.length > 0) changeList(list, random, () => ({ ...pick(list, random)! }));
};

const opsets: ObjectMutation = (_, random, { proto }) => {
  const entry = pick(proto.opsetImport, random);
  if (random.int(4) === 0) proto.irVersion = pick([0, 1, 3, 4, 10, 14, -1], random);
  else if (entry && random.int(4) > 0) entry.version = pick([0, 1, 6, 9, 11, 13, 18, 21, 26, 27, -1, 2 ** 53], random);
  else proto.opsetImport.push({ domain: pick(['', 'ai.onnx', 'com.microsoft'], random), version: 1 });
};

/** Content in another file, at places that there may or may not be. */
const external: ObjectMutation = (graph, random) => {
  const at = random.int(graph.initializer.length + 1);
  const tensor = graph.initializer[at];
  if (!tensor) return;
  const offsets = [
    '0',
    '-1',
    '1e3',
    '16',
    '9223372036854775807',
    '18446744073709551616',
    '99999999999999999999',
    '',
    'x',
  ];
  const locations = [
    'data.bin',
    'data.bin',
    'data.bin',
    'none.bin',
    '.',
    '..',
    '',
    '/etc/hostname',
    '../data.bin',
    '\0',
  ];
  const entries = [{ key: 'location', value: pick(locations, random) }];
  if (random.int(2)) entries.push({ key: 'offset', value: pick(offsets, random) });
  if (random.int(2)) entries.push({ key: 'length', value: pick(offsets, random) });
  const { rawData, floatData, int32Data, int64Data, doubleData, uint64Data, ...emptied } = tensor;
  const moved = random.int(2) ? emptied : tensor;
  graph.initializer[at] = { ...moved, dataLocation: 1, externalData: entries };
};

/** A body inside a body inside a body. */
const nesting: ObjectMutation = (graph, random) => {
  const node = anyNode(graph, random);
  if (!node) return;
  let body: GraphProto = { ...emptyGraph(), node: [{ ...node, output: ['inner'] }], output: [{ name: 'inner' }] };
  for (let depth = 1 + random.int(20); depth > 0; depth--) {
    const branches = ['then_branch', 'else_branch'].map((name) => ({ name, type: 5, g: body }));
    const nested: NodeProto = {
      opType: 'If',
      input: [anyName(graph, random)],
      output: ['inner'],
      attribute: [branches[0]!],
    };
    body = { ...emptyGraph(), node: [nested], output: [{ name: 'inner' }] };
  }
  node.attribute.push({ name: 'then_branch', type: 5, g: body });
};

const emptyGraph = (): GraphProto => new GraphBuilder().graph();

const MUTATIONS: Readonly<Record<string, ObjectMutation>> = {
  inputs,
  outputs,
  operator,
  anotherOperator,
  nodes,
  attributes,
  initializerDims,
  initializerShape,
  initializerType,
  constants,
  bomb,
  valueInfo,
  declaredShape,
  names,
  lists,
  opsets,
  external,
  nesting,
};

export const OBJECT_MUTATIONS: readonly string[] = Object.keys(MUTATIONS);

/** Changes a model in place: its main graph mostly, or a body in it. */
export function mutateObject(kind: string, model: Model, random: Random): void {
  const graphs = [...scopesOf(model.proto)].map(({ graph }) => graph);
  const graph = random.int(2) === 0 ? graphs[0]! : graphs[random.int(graphs.length)]!;
  MUTATIONS[kind]!(graph, random, model);
}
