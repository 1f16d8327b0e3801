/**
 * Conversion between JS numbers and the float formats that JS has no typed array for: bits in, number out, and back.
 * Sources: IEEE 754-2019 (binary16), the bfloat16 layout, ONNX's float8 and float4 technical pages, OCP MX v1.0 (E8M0).
 */
import { DataType } from './data-type.ts';

/** Layout of a sign-exponent-mantissa format. */
interface FloatFormat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /**
   * `ieee`: the largest exponent holds infinities and NaNs. `fn`: finite, NaN only with all bits set.
   * `fnuz`: finite, no negative zero; its pattern is the NaN. `none`: every pattern is a finite number.
   */
  readonly specials: 'ieee' | 'fn' | 'fnuz' | 'none';
  /** A number too large becomes the largest finite one, not infinity. */
  readonly saturates: boolean;
}

const FORMATS: ReadonlyMap<number, FloatFormat> = new Map<number, FloatFormat>([
  [DataType.FLOAT16, { exponentBits: 5, mantissaBits: 10, bias: 15, specials: 'ieee', saturates: false }],
  [DataType.BFLOAT16, { exponentBits: 8, mantissaBits: 7, bias: 127, specials: 'ieee', saturates: false }],
  [DataType.FLOAT8E4M3FN, { exponentBits: 4, mantissaBits: 3, bias: 7, specials: 'fn', saturates: true }],
  [DataType.FLOAT8E4M3FNUZ, { exponentBits: 4, mantissaBits: 3, bias: 8, specials: 'fnuz', saturates: true }],
  [DataType.FLOAT8E5M2, { exponentBits: 5, mantissaBits: 2, bias: 15, specials: 'ieee', saturates: true }],
  [DataType.FLOAT8E5M2FNUZ, { exponentBits: 5, mantissaBits: 2, bias: 16, specials: 'fnuz', saturates: true }],
  [DataType.FLOAT4E2M1, { exponentBits: 2, mantissaBits: 1, bias: 1, specials: 'none', saturates: true }],
]);

/** E8M0 has no sign and no mantissa: 2^(bits-127), and 255 is NaN. */
const E8M0_BIAS = 127;

/** The number that `bits` stand for in a float type of 16 bits or fewer; undefined for any other data type. */
export function decoderOf(dataType: number): ((bits: number) => number) | undefined {
  if (dataType === DataType.FLOAT8E8M0) return (bits) => (bits === 255 ? NaN : 2 ** (bits - E8M0_BIAS));
  const format = FORMATS.get(dataType);
  if (format === undefined) return undefined;
  const patterns = 2 ** (1 + format.exponentBits + format.mantissaBits);
  if (patterns > 256) return (bits) => decode(format, bits);
  const table = Float32Array.from({ length: patterns }, (_, bits) => decode(format, bits));
  return (bits) => table[bits & (patterns - 1)] ?? NaN;
}

/**
 * The bits of the nearest representable number (ties to even); undefined for any other data type. A value too large
 * becomes infinity in the 16-bit types and the largest finite number in the others; E8M0 rounds up and has no negative
 * numbers. These are the defaults of the operator Cast (saturate = 1, round_mode = up).
 */
export function encoderOf(dataType: number): ((x: number) => number) | undefined {
  if (dataType === DataType.FLOAT8E8M0) return encodeE8M0;
  const format = FORMATS.get(dataType);
  return format === undefined ? undefined : (x) => encode(format, x);
}

function decode(f: FloatFormat, bits: number): number {
  const exponentMask = 2 ** f.exponentBits - 1;
  const mantissaMask = 2 ** f.mantissaBits - 1;
  const mantissa = bits & mantissaMask;
  const exponent = (bits >> f.mantissaBits) & exponentMask;
  const sign = (bits >> (f.mantissaBits + f.exponentBits)) & 1 ? -1 : 1;
  if (f.specials === 'fnuz' && sign < 0 && exponent === 0 && mantissa === 0) return NaN;
  if (f.specials === 'fn' && exponent === exponentMask && mantissa === mantissaMask) return NaN;
  if (f.specials === 'ieee' && exponent === exponentMask) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - f.bias - f.mantissaBits);
  return sign * (1 + mantissa / 2 ** f.mantissaBits) * 2 ** (exponent - f.bias);
}

function nanBits(f: FloatFormat): number {
  const allButSign = 2 ** (f.exponentBits + f.mantissaBits) - 1;
  if (f.specials === 'fnuz') return allButSign + 1;
  if (f.specials === 'ieee') return allButSign - (2 ** (f.mantissaBits - 1) - 1);
  return allButSign;
}

/** Magnitude bits of the largest finite number; consecutive bit patterns are consecutive numbers. */
function largestBits(f: FloatFormat): number {
  const allButSign = 2 ** (f.exponentBits + f.mantissaBits) - 1;
  if (f.specials === 'ieee') return allButSign - 2 ** f.mantissaBits;
  return f.specials === 'fn' ? allButSign - 1 : allButSign;
}

function encode(f: FloatFormat, x: number): number {
  if (Number.isNaN(x)) return nanBits(f);
  const negative = x < 0 || Object.is(x, -0);
  const magnitude = magnitudeBits(f, Math.abs(x));
  if (negative && magnitude === 0 && f.specials === 'fnuz') return 0;
  return negative ? magnitude + 2 ** (f.exponentBits + f.mantissaBits) : magnitude;
}

function magnitudeBits(f: FloatFormat, x: number): number {
  const largest = largestBits(f);
  const overflow = f.saturates ? largest : largest + 1;
  if (x === Infinity) return overflow;
  const exponent = Math.max(x === 0 ? -Infinity : Math.floor(Math.log2(x)), 1 - f.bias);
  // log2 may round an x just below a power of two up to it; such an x rounds to that power on either side's grid.
  const steps = roundHalfToEven(x / 2 ** (exponent - f.mantissaBits));
  const bits = steps + (exponent - (1 - f.bias)) * 2 ** f.mantissaBits;
  return bits > largest ? overflow : bits;
}

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function encodeE8M0(x: number): number {
  if (Number.isNaN(x)) return 255;
  const exponent = x > 0 ? Math.ceil(Math.log2(x)) : -Infinity;
  return Math.min(254, Math.max(0, exponent + E8M0_BIAS));
}
