import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import {
  AttributeType,
  attrFloat,
  attrFloats,
  attrInts,
  attrString,
  checkModel,
  DataType,
  encodeModel,
  GraphBuilder,
  getAttribute,
  type Model,
  makeTensor,
  saveModel,
} from '../src/index.ts';

/** y = 2 * relu(x @ w + b) with numbers that can be worked out by hand. */
function linear(): Model {
  const b = new GraphBuilder();
  b.input('x', ['batch', 2]);
  b.initializer('fc.weight', [3, 2], [1, 2, 3, 4, 5, 6]);
  b.initializer('fc.bias', [3], (n) => new Float32Array(n).fill(-20));
  const h = b.node('Gemm', ['x', 'fc.weight', 'fc.bias'], { transB: 1 });
  const r = b.node('Relu', [h]);
  b.output(b.node('Mul', [r, b.initializer('two', [], [2])], {}, { outputs: ['y'] }), ['batch', 3]);
  return b.build();
}

const INPUT = { x: new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]) };
// Row 1: 1+4, 3+8, 5+12 minus 20, all negative. Row 2: 11, 25, 39 minus 20.
const EXPECTED = [0, 0, 0, 0, 10, 38];

describe('a model built in code', () => {
  it('runs in onnxruntime', async () => {
    checkModel(linear());
    const session = await ort.InferenceSession.create(encodeModel(linear()));
    const { y } = await session.run(INPUT);
    expect(Array.from(y!.data as Float32Array)).toEqual(EXPECTED);
    expect(y!.dims).toEqual([2, 3]);
  });

  it('runs from a file with external data', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'onnx-builder-'));
    await saveModel(linear(), join(folder, 'm.onnx'), { externalData: { threshold: 1 } });
    const session = await ort.InferenceSession.create(join(folder, 'm.onnx'));
    const { y } = await session.run(INPUT);
    rmSync(folder, { recursive: true });
    expect(Array.from(y!.data as Float32Array)).toEqual(EXPECTED);
  });
});

describe('GraphBuilder', () => {
  it('tells kinds of attributes by their values', () => {
    const b = new GraphBuilder();
    b.node('Foo', [], {
      int: 3,
      flag: true,
      float: 0.5,
      one: { float: 1 },
      ints: [1, 2],
      none: [],
      floats: [1, 2.5],
      ones: { floats: [1, 1] },
      text: 'hi',
      bytes: Uint8Array.of(104, 105),
      texts: ['a', 'b'],
      tensor: makeTensor('t', DataType.FLOAT, [1], [1]),
      graph: new GraphBuilder().graph(),
    });
    const node = b.graph().node[0]!;
    const type = (name: string): number | undefined => getAttribute(node, name)?.type;
    const { INT, INTS, FLOAT, FLOATS, STRING, STRINGS, TENSOR, GRAPH } = AttributeType;
    expect(['int', 'flag', 'float', 'one'].map(type)).toEqual([INT, INT, FLOAT, FLOAT]);
    expect(['ints', 'none', 'floats', 'ones'].map(type)).toEqual([INTS, INTS, FLOATS, FLOATS]);
    expect(['text', 'bytes', 'texts', 'tensor', 'graph'].map(type)).toEqual([STRING, STRING, STRINGS, TENSOR, GRAPH]);
    expect([attrFloat(node, 'one'), attrFloats(node, 'ones'), attrInts(node, 'ints')]).toEqual([1, [1, 1], [1, 2]]);
    expect([attrString(node, 'text'), attrString(node, 'bytes')]).toEqual(['hi', 'hi']);
  });

  it('names nodes and outputs', () => {
    const b = new GraphBuilder();
    b.input('x', [4]);
    expect(b.node('Relu', ['x'])).toBe('Relu_0_out');
    expect(b.node('Relu', ['x'])).toBe('Relu_1_out');
    expect(b.nodeOutputs('Split', ['x'], {}, { outputs: 2, name: 'cut' })).toEqual(['cut_out0', 'cut_out1']);
    expect(b.graph().node.map((node) => node.name)).toEqual(['Relu_0', 'Relu_1', 'cut']);
  });

  it('refuses a name that is taken', () => {
    const b = new GraphBuilder();
    b.input('x', [1]);
    expect(() => b.ints('x', [1])).toThrow(/needs a name of its own \(value 'x'\)/);
    expect(() => b.node('Relu', ['x'], {}, { outputs: ['x'] })).toThrow(/value 'x'/);
  });

  it('states opsets, IR version and producer', () => {
    const { proto } = new GraphBuilder({ opset: 21, opsets: { 'com.acme': 3 }, producerName: 'me' }).build();
    expect(proto).toMatchObject({ irVersion: 10, producerName: 'me' });
    expect(proto.opsetImport).toEqual([
      { domain: '', version: 21 },
      { domain: 'com.acme', version: 3 },
    ]);
    expect(new GraphBuilder({ opset: 21, irVersion: 9 }).build().proto.irVersion).toBe(9);
  });
});
