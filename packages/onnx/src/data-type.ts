/** ONNX element and attribute types: numbers, names, widths. Source: enum TensorProto.DataType of the ONNX IR. */

export const DataType = {
  UNDEFINED: 0,
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
  FLOAT8E8M0: 24,
  UINT2: 25,
  INT2: 26,
} as const;

/** Which field of an attribute holds its value. Source: enum AttributeProto.AttributeType of the ONNX IR. */
export const AttributeType = {
  UNDEFINED: 0,
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  TENSORS: 9,
  GRAPHS: 10,
  SPARSE_TENSOR: 11,
  SPARSE_TENSORS: 12,
  TYPE_PROTO: 13,
  TYPE_PROTOS: 14,
} as const;

/** Bits of one element, by data type number; 0 where elements have no fixed width (UNDEFINED, STRING). */
const BITS: readonly number[] = [
  0, 32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8, 2, 2,
];

const NAMES: readonly string[] = Object.keys(DataType);

/** Name in ONNX spelling, e.g. `FLOAT16`; `DataType(99)` for a number ONNX does not define. */
export function dataTypeName(dataType: number | undefined): string {
  return NAMES[dataType ?? 0] ?? `DataType(${String(dataType)})`;
}

/** Bits of one element: 32 for FLOAT, 4 for INT4. 0 for STRING, UNDEFINED and numbers that ONNX does not define. */
export function bitsPerElement(dataType: number | undefined): number {
  return BITS[dataType ?? 0] ?? 0;
}

/** Bytes that `size` elements occupy; elements narrower than a byte are packed. */
export function byteLength(dataType: number | undefined, size: number): number {
  return Math.ceil((size * bitsPerElement(dataType)) / 8);
}
