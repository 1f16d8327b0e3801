import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cloneProto, encodeModel, parseModel, withContent } from '../src/index.ts';
import { field, floatField, message, packed } from './wire.ts';

const DATA = join(__dirname, 'data');
const files = readdirSync(DATA).filter((name) => name.endsWith('.onnx'));

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe('real files', () => {
  it.each(files)('%s is written back byte for byte', (name) => {
    const bytes = readFileSync(join(DATA, name));
    expect(same(encodeModel(parseModel(bytes)), bytes)).toBe(true);
  });

  it.each(files)('%s: so is a clone', (name) => {
    const bytes = readFileSync(join(DATA, name));
    expect(same(encodeModel(parseModel(bytes).clone()), bytes)).toBe(true);
  });
});

/** A field of a future ONNX version. */
const future = (text: string): Uint8Array => message(field(700, text), field(701, 2n ** 60n), floatField(702, 0.25));
const entry = (key: string, value: string): Uint8Array => message(field(1, key), field(2, value), future('entry'));

const dimension = message(field(2, 'batch'), field(3, 'DATA_BATCH'), future('dimension'));
const shape = message(field(1, dimension), field(1, field(1, 4)), future('shape'));
const type = message(
  field(1, message(field(1, 1), field(2, shape), future('tensor type'))),
  field(6, 'IMAGE'),
  future('type'),
);
const valueInfo = (name: string): Uint8Array =>
  message(field(1, name), field(2, type), field(3, 'a value'), field(4, entry('layout', 'NCHW')), future('value info'));
const tensor = (name: string, ...content: Uint8Array[]): Uint8Array =>
  message(field(1, 4), field(2, 1), ...content, future(`tensor ${name}`));
const weight = tensor(
  'w',
  field(8, 'w'),
  field(9, new Uint8Array(16).fill(7)),
  field(12, 'doc'),
  field(16, entry('k', 'v')),
);
const sparse = message(
  field(1, message(field(1, 1), field(2, 1), field(8, 's'), field(9, new Uint8Array(4)))),
  field(2, message(field(1, 1), field(2, 7), field(7, packed(3)))),
  field(3, 4),
  future('sparse'),
);
const sharding = message(
  field(1, 'x'),
  field(2, 0),
  field(3, message(field(1, -1), field(2, 0), field(2, 1))),
  field(4, message(field(1, 0), field(2, message(field(1, 4), field(3, 2))))),
);
const attribute = message(field(1, 'axis'), field(3, 0), field(13, 'which'), field(20, 2), future('attribute'));
const reference = message(field(1, 'axis'), field(20, 2), field(21, 'outer_axis'));
const subgraph = message(
  field(1, message(field(2, 'z'), field(4, 'Identity'), future('inner node'))),
  field(2, 'body'),
);
const node = message(
  field(1, 'x'),
  field(1, ''),
  field(1, 'w'),
  field(2, 'y'),
  field(3, 'n'),
  field(4, 'Foo'),
  field(5, attribute),
  field(5, message(field(1, 'body'), field(6, subgraph), field(20, 5))),
  field(5, message(field(1, 't'), field(5, tensor('t', field(4, new Uint8Array(16)))), field(20, 4))),
  field(6, 'doc'),
  field(7, 'com.acme'),
  field(8, 'float_version'),
  field(9, entry('source', 'train.py:12')),
  field(10, message(field(1, 'gpu2'), field(2, sharding), field(3, 1), future('device'))),
  future('node'),
);
const annotation = message(field(1, 'x'), field(2, entry('SCALE_TENSOR', 'w')), future('annotation'));
const graph = message(
  field(1, node),
  field(2, 'main'),
  field(5, weight),
  field(10, 'doc'),
  field(11, valueInfo('x')),
  field(12, valueInfo('y')),
  field(13, valueInfo('v')),
  field(14, annotation),
  field(15, sparse),
  field(16, entry('graph', 'meta')),
  future('graph'),
);
const fn = message(
  field(1, 'Foo'),
  field(4, 'a'),
  field(5, 'b'),
  field(6, 'outer_axis'),
  field(7, message(field(1, 'a'), field(2, 'b'), field(4, 'Softmax'), field(5, reference))),
  field(8, 'doc'),
  field(9, message(field(1, ''), field(2, 21))),
  field(10, 'com.acme'),
  field(11, attribute),
  field(12, valueInfo('a')),
  field(13, 'float_version'),
  field(14, entry('function', 'meta')),
  future('function'),
);
const training = message(
  field(1, message(field(2, 'init'))),
  field(2, message(field(2, 'step'), future('training graph'))),
  field(3, entry('w', 'w0')),
  field(4, entry('w', 'w1')),
  future('training'),
);
const model = message(
  field(1, 11),
  field(2, ''),
  field(3, '1.0'),
  field(4, 'com.acme.models'),
  field(5, 2n ** 61n),
  field(6, 'doc'),
  field(7, graph),
  field(8, message(field(1, ''), field(2, 21), future('opset'))),
  field(8, message(field(1, 'com.acme'), field(2, 1))),
  field(8, message(field(1, 'ai.onnx.ml'), field(2, 3))),
  field(14, entry('author', 'someone')),
  field(20, training),
  field(25, fn),
  field(26, message(field(1, 'gpu2'), field(2, 2), field(3, 'cuda:0'), field(3, 'cuda:1'))),
  future('model'),
);

describe('a model with everything in it', () => {
  it('is written back byte for byte: metadata, functions, training, sparse tensors, devices, unknown fields', () => {
    expect(same(encodeModel(parseModel(model)), model)).toBe(true);
  });

  it('loses nothing in a clone', () => {
    const clone = parseModel(model).clone();
    expect(same(encodeModel(clone), model)).toBe(true);
  });

  it('keeps everything around a tensor whose content is replaced', () => {
    const changed = parseModel(model);
    changed.graph.initializer[0] = withContent(changed.graph.initializer[0]!, [2], new Uint8Array(8).fill(9));
    const smaller = message(
      field(1, 2),
      field(2, 1),
      field(8, 'w'),
      field(9, new Uint8Array(8).fill(9)),
      field(12, 'doc'),
      field(16, entry('k', 'v')),
      future('tensor w'),
    );
    const expected = Buffer.from(model);
    const at = expected.indexOf(Buffer.from(field(5, weight)));
    const written = encodeModel(changed);
    // Everything before the graph, the new tensor, and everything behind the old one.
    expect(Buffer.from(written).includes(Buffer.from(field(5, smaller)))).toBe(true);
    expect(Buffer.from(written).includes(expected.subarray(at + field(5, weight).length))).toBe(true);
    expect(written.length).toBe(model.length - (field(5, weight).length - field(5, smaller).length));
  });

  it('does not change when a clone does', () => {
    const original = parseModel(model);
    const clone = original.clone();
    clone.graph.initializer[0] = withContent(clone.graph.initializer[0]!, [0], new Uint8Array());
    clone.graph.node[0]!.input[0] = 'renamed';
    clone.proto.opsetImport.pop();
    expect(same(encodeModel(original), model)).toBe(true);
  });

  it('reads its opsets by domain', () => {
    const m = parseModel(model);
    expect(m.opset()).toBe(21);
    expect(['', 'ai.onnx', 'com.acme', 'ai.onnx.ml', 'other'].map((domain) => m.opset(domain))).toEqual([
      21, 21, 1, 3, 0,
    ]);
  });
});

describe('cloneProto', () => {
  it('shares tensor bytes and copies the rest', () => {
    const { graph: g } = parseModel(model);
    const copy = cloneProto(g);
    expect(copy.initializer[0]?.rawData).toBe(g.initializer[0]?.rawData);
    expect(copy.initializer[0]?.dims).not.toBe(g.initializer[0]?.dims);
    expect(copy.node[0]?.$unknowns).toEqual(g.node[0]?.$unknowns);
  });
});
