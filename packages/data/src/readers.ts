/** One reader for each kind of file, by path. Nothing in here knows of a model. */
import { checkArguments, kinds, listOf } from '@onnx-pruning/onnx';
import type { TensorValue, TensorValues } from '@onnx-pruning/runtime';
import { valueOfContent } from './content.ts';
import type { Place } from './errors.ts';
import { parseNpy } from './npy.ts';
import { parseNpz } from './npz.ts';
import { readRegularFile } from './regular-file.ts';
import { type NamedTensor, parseTensorProto } from './tensor-proto.ts';

/**
 * Reads an array that numpy.save has written (.npy, format 1.0 to 3.0): bool, integers of 8 to 64 bits, and floats of 16 to
 * 64, in either byte order, as exactly the type that was saved. Elements are handed out in row-major order.
 *
 * @param place what the array is for, where an error should say so
 * @throws DataError when the file is missing, not regular, damaged, too short or too long, or holds strings, records or
 * Python objects
 */
export async function readNpy(path: string, place: Place = {}): Promise<TensorValue> {
  return parseNpy(await readRegularFile(path), { ...place, path });
}

/**
 * Reads the arrays that numpy.savez or numpy.savez_compressed has written (.npz), by name. Checksums are compared.
 *
 * @throws DataError as `readNpy`, and when the file is no complete archive of arrays
 */
export async function readNpz(path: string): Promise<TensorValues> {
  return Object.fromEntries(parseNpz(await readRegularFile(path), { path }));
}

/**
 * Reads a tensor that is stored as an ONNX TensorProto (.pb), with the name that it carries.
 *
 * @throws DataError as `readNpy`, and for content in another file
 */
export async function readTensorProto(path: string, place: Place = {}): Promise<NamedTensor> {
  return parseTensorProto(await readRegularFile(path), { ...place, path });
}

/**
 * Reads a file that holds elements and nothing else: little-endian, in row-major order; FLOAT16 as its bits, BOOL as bytes
 * 0 and 1.
 *
 * @param dataType an ONNX data type number, as `TensorValue.dataType`
 * @param dims sizes of all axes; the file must be exactly as long as they say
 * @throws DataError as `readNpy`, and for a type without bytes of fixed width
 */
export async function readRaw(
  path: string,
  dataType: number,
  dims: readonly number[],
  place: Place = {},
): Promise<TensorValue> {
  checkArguments('readRaw', { dataType: [dataType, kinds.count], dims: [dims, listOf(kinds.count)] });
  return valueOfContent(dataType, dims, await readRegularFile(path), { ...place, path });
}
