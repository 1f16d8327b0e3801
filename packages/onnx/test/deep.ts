/** Models of graphs in graphs and of types in types, of any depth, from code and as bytes written by hand. */
import { DataType, type GraphProto, Model, type TypeProto } from '../src/index.ts';
import { field, header, message } from './wire.ts';

/** A graph of which one node computes `out`, float[2]. */
function graphOf(name: string, out: string, node: GraphProto['node'][number]): GraphProto {
  return {
    node: [node],
    name,
    initializer: [],
    input: [],
    output: [{ name: out, type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimValue: 2 }] } } } }],
    valueInfo: [],
    quantizationAnnotation: [],
    sparseInitializer: [],
  };
}

function leaf(name: string): GraphProto {
  const node = { input: ['x'], output: [`${name}_out`], opType: 'Identity', attribute: [] };
  return graphOf(name, `${name}_out`, node);
}

/** `count` times an If whose then branch holds the next one, the last of them x itself; each else branch is x, too. */
export function nestedIfs(count: number): Model {
  let graph = leaf('last');
  for (let i = 0; i < count; i++) {
    const attribute = [
      { name: 'else_branch', g: leaf(`else${i}`), type: 5 },
      { name: 'then_branch', g: graph, type: 5 },
    ];
    const out = `out${i}`;
    graph = graphOf(`graph${i}`, out, { input: ['cond'], output: [out], opType: 'If', attribute });
  }
  graph.input = [
    { name: 'x', type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimValue: 2 }] } } } },
    { name: 'cond', type: { tensorType: { elemType: DataType.BOOL, shape: { dim: [] } } } },
  ];
  return modelOf(graph);
}

/** A graph with an input of a type that is `count` times a sequence of a float tensor of any shape. */
export function nestedTypes(count: number): Model {
  let type: TypeProto = { tensorType: { elemType: DataType.FLOAT } };
  for (let i = 0; i < count; i++) type = { sequenceType: { elemType: type } };
  const graph = leaf('main');
  graph.input = [{ name: 'x', type }];
  return modelOf(graph);
}

function modelOf(graph: GraphProto): Model {
  return new Model({
    irVersion: 8,
    graph,
    opsetImport: [{ domain: '', version: 17 }],
    metadataProps: [],
    trainingInfo: [],
    functions: [],
  });
}

/** The bytes of `nestedIfs`. */
export function branches(count: number): Uint8Array {
  const leafBytes = (name: string, ...more: Uint8Array[]): Uint8Array =>
    message(
      field(1, message(field(1, 'x'), field(2, `${name}_out`), field(4, 'Identity'))),
      rest(name, `${name}_out`),
      ...more,
    );
  const rest = (name: string, out: string, ...inputs: Uint8Array[]): Uint8Array =>
    message(field(2, name), ...inputs, field(12, declared(out, 1, field(1, field(1, 2)))));
  // From the innermost graph outwards, what stands before and behind the graph inside each; joined at the end.
  const [before, behind]: [Uint8Array[], Uint8Array[]] = [[], []];
  const inputs = [field(11, declared('x', 1, field(1, field(1, 2)))), field(11, declared('cond', 9, new Uint8Array()))];
  let length = 0;
  const wrap = (id: number, front: Uint8Array, back: Uint8Array): void => {
    const open = message(front, header(id, length));
    before.push(open);
    behind.push(back);
    length += open.length + back.length;
  };
  const innermost = leafBytes('last', ...(count === 0 ? inputs : []));
  length = innermost.length;
  for (let i = 0; i < count; i++) {
    const elseBranch = message(field(1, 'else_branch'), field(6, leafBytes(`else${i}`)), field(20, 5));
    wrap(6, field(1, 'then_branch'), field(20, 5));
    wrap(5, message(field(1, 'cond'), field(2, `out${i}`), field(4, 'If'), field(5, elseBranch)), new Uint8Array());
    wrap(1, new Uint8Array(), rest(`graph${i}`, `out${i}`, ...(i === count - 1 ? inputs : [])));
  }
  wrap(7, field(1, 8), field(8, message(field(1, ''), field(2, 17))));
  return Uint8Array.from(Buffer.concat([...before.reverse(), innermost, ...behind]));
}

/** A ValueInfoProto. */
function declared(name: string, elemType: number, shape: Uint8Array): Uint8Array {
  return message(field(1, name), field(2, field(1, message(field(1, elemType), field(2, shape)))));
}
