/**
 * Whether two ONNX messages mean the same: tensors are compared by content, however it is stored; documentation and
 * metadata do not count. Knows no message in particular but tensors.
 */
import {
  asArray,
  type Bytes,
  bitsPerElement,
  dataTypeName,
  type TensorProto,
  tensorBytes,
  tensorDims,
  toBigInt,
} from '@onnx-pruning/onnx';

/** Fields that do not change what a model computes. */
const SILENT: ReadonlySet<string> = new Set(['docString', 'metadataProps', 'valueInfo']);

/** Where two messages differ first; undefined where they mean the same. */
export function firstDifference(a: unknown, b: unknown): string | undefined {
  if (a === b || (isInteger(a) && isInteger(b) && toBigInt(a as number) === toBigInt(b as number))) return undefined;
  if (typeof a === 'number' && typeof b === 'number' && Number.isNaN(a) && Number.isNaN(b)) return undefined;
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return Buffer.compare(a, b) === 0 ? undefined : `expected '${text(a)}', found '${text(b)}'`;
  }
  if (isTensor(a) && isTensor(b)) return tensorDifference(a, b);
  if (isMessage(a) && isMessage(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const difference = SILENT.has(key) ? undefined : firstDifference(a[key], b[key]);
      if (difference) return difference;
    }
    return undefined;
  }
  return isEmpty(a) && isEmpty(b) ? undefined : `expected ${show(a)}, found ${show(b)}`;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const isEmpty = (x: unknown): boolean => x === undefined || (Array.isArray(x) && x.length === 0);
const isInteger = (x: unknown): boolean =>
  (typeof x === 'number' && Number.isInteger(x)) || (typeof x === 'object' && x !== null && 'low' in x && 'high' in x);
const isMessage = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !ArrayBuffer.isView(x);
const isTensor = (x: unknown): x is TensorProto => isMessage(x) && 'dims' in x && 'dataType' in x;

function show(x: unknown): string {
  if (x === undefined) return 'nothing';
  return typeof x === 'object' ? `another ${Array.isArray(x) ? 'list' : 'message'}` : `${String(x)}`;
}

/** What differs between two tensors' types, shapes or contents. */
export function tensorDifference(expected: TensorProto, found: TensorProto): string | undefined {
  if (expected.dataType !== found.dataType) {
    return `expected ${dataTypeName(expected.dataType)}, found ${dataTypeName(found.dataType)}`;
  }
  const [dims, others] = [tensorDims(expected), tensorDims(found)];
  if (dims.join() !== others.join()) return `expected dimensions [${dims.join(', ')}], found [${others.join(', ')}]`;
  const bits = bitsPerElement(expected.dataType);
  if (bits === 0) return firstDifference(expected.stringData, found.stringData);
  const [right, asked] = [tensorBytes(expected), tensorBytes(found)];
  if (Buffer.compare(asArray(right), asArray(asked)) === 0) return undefined;
  const at = right.findIndex((byte, i) => byte !== asked[i]);
  const element = Math.floor((at * 8) / bits);
  return `element ${element} of [${dims.join(', ')}]: expected ${hex(right, element, bits)}, found ${hex(asked, element, bits)}`;
}

/** The element as a number where it is a float, else its bytes. */
function hex(bytes: Bytes, element: number, bits: number): string {
  const width = Math.max(1, bits / 8);
  const from = Math.floor((element * bits) / 8);
  const piece = bytes.slice(from, from + width);
  if (width === 4) return `${new DataView(piece.buffer).getFloat32(0, true)}`;
  return `0x${Buffer.from(piece.reverse()).toString('hex')}`;
}
