/** Gathering from a tensor in a file gives what gathering from its bytes in memory gives, however little is read at once. */
import { type ByteSource, bitsPerElement, DataType, StoredBytes, tensorBytes } from '@onnx-pruning/onnx';
import { gatherAxes } from '../src/index.ts';
import { TensorGatherer } from '../src/rewrite/gather-tensor.ts';

/** Bytes in the place of a file, which remember the longest read. */
class Source implements ByteSource {
  readonly path = 'memory';
  readonly size: number;
  readonly bytes: Uint8Array;
  longest = 0;

  constructor(size: number) {
    this.size = size;
    this.bytes = Uint8Array.from({ length: size }, (_, i) => (i * 37 + (i >> 8)) & 255);
  }

  read(target: Uint8Array, position: number): void {
    target.set(this.bytes.subarray(position, position + target.length));
    this.longest = Math.max(this.longest, target.length);
  }
}

const DIMS = [12, 6, 4];
const KEPT: readonly (readonly (readonly number[] | undefined)[])[] = [
  [[0, 1, 5, 6, 7, 11], undefined, undefined],
  [undefined, [1, 4], undefined],
  [undefined, undefined, [0, 3]],
  [
    [2, 3, 9],
    [0, 1, 2, 5],
    [1, 2],
  ],
  [[], undefined, undefined],
  [[11], [], undefined],
];
const TYPES = ['FLOAT', 'DOUBLE', 'FLOAT16', 'INT8', 'INT4', 'COMPLEX128'] as const;

describe.each(TYPES)('of %s', (name) => {
  const dataType = DataType[name];
  const bits = bitsPerElement(dataType);
  const size = (DIMS.reduce((n, d) => n * d, 1) * bits) / 8;

  it.each([1, 100, 1000, 2 ** 20])('%d bytes at once', (atOnce) => {
    for (const kept of KEPT) {
      const source = new Source(size + 3);
      const tensor = { name: 'w', dims: DIMS, dataType, rawData: new StoredBytes(source, 3, size) };
      const lists = kept.map((list) => list && Int32Array.from(list));
      const expected = gatherAxes({ bytes: source.bytes.slice(3), dims: DIMS, bits }, lists);
      const found = new TensorGatherer(atOnce).gather(tensor, lists);
      expect(found.dims).toEqual(expected.dims);
      expect([...found.bytes]).toEqual([...expected.bytes]);
      expect(source.longest).toBeLessThanOrEqual(Math.max(atOnce, size / DIMS[0]));
      expect(tensorBytes(tensor)).toHaveLength(size);
    }
  });
});

it('of packed elements whose rows begin within a byte', () => {
  const dims = [5, 3];
  const source = new Source(8);
  const tensor = { dims, dataType: DataType.INT4, rawData: new StoredBytes(source, 0, 8) };
  const lists = [Int32Array.of(1, 4), Int32Array.of(0, 2)];
  const expected = gatherAxes({ bytes: source.bytes, dims, bits: 4 }, lists);
  expect(new TensorGatherer(2).gather(tensor, lists)).toMatchObject({ dims: [2, 2], bytes: expected.bytes });
});

it('nothing of an empty tensor', () => {
  const tensor = { dims: [4, 0], dataType: DataType.FLOAT, rawData: new StoredBytes(new Source(0), 0, 0) };
  expect(new TensorGatherer().gather(tensor, [Int32Array.of(1), undefined])).toMatchObject({ dims: [1, 0] });
});
