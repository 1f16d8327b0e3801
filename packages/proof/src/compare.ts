/**
 * Compares what two models computed. A comparison never throws over a difference and never overlooks one: what cannot
 * be compared (an output that is missing, of another shape or type) is a failed output with a reason.
 * It must not run models.
 */
import { checkArguments, dataTypeName, greatest } from '@onnx-pruning/onnx';
import {
  checkRunOptions,
  elementCount,
  MODEL_SOURCE,
  type ModelSource,
  type RunBothOptions,
  runBoth,
  type TensorValue,
  type TensorValues,
  valueNumbers,
} from '@onnx-pruning/runtime';
import { SliceMaxima } from './slices.ts';
import { TOLERANCE, type Tolerance, toleranceFor, unitOf } from './tolerance.ts';

/** How close the outputs of two models must be. */
export interface CompareOptions {
  /** Largest accepted `maxRel` of floating-point outputs; by default one that fits each data type. */
  readonly tolerance?: Tolerance;
}

/** The rounding that a value shows, by flat index: a difference of that size says nothing. */
export type Rounding = (index: number) => number;

/** What was found about one output. */
export interface OutputComparison {
  /** Name of the output. */
  readonly name: string;
  /** A member of `DataType`: that of the reference's output. */
  readonly dataType: number;
  /** Dimensions of the reference's output. */
  readonly dims: readonly number[];
  /** Largest absolute difference; Infinity where the two cannot be compared. */
  readonly maxAbs: number;
  /** Largest difference over the scale of its slice: per channel and row (over 1 where the reference is zero everywhere). */
  readonly maxRel: number;
  /** Largest finite magnitude of the reference; 0 says that this output could not tell a right from a wrong model. */
  readonly maxReference: number;
  /** Largest accepted `maxRel`. */
  readonly tolerance: number;
  /** Whether type and dimensions are equal and `maxRel` is within the tolerance. */
  readonly ok: boolean;
  /** Why it is not ok. */
  readonly reason?: string;
}

/** What a comparison found, output by output. */
export interface Comparison {
  /** Whether all outputs are ok; false where there are none. */
  readonly ok: boolean;
  /** Every output of either model, those of the reference first. */
  readonly outputs: readonly OutputComparison[];
  /** The loosest tolerance that was applied to any output. */
  readonly tolerance: number;
}

/**
 * Compares outputs by name. Infinities agree where they are equal, and NaN agrees with NaN; anywhere else either fails.
 * A comparison of no outputs at all is not ok: it has shown nothing.
 *
 * @param reference what is right
 * @param candidate what is in question; outputs that only it has fail too
 */
export function compareOutputs(
  reference: TensorValues,
  candidate: TensorValues,
  options: CompareOptions = {},
): Comparison {
  const names = [...new Set([...Object.keys(reference), ...Object.keys(candidate)])];
  const outputs = names.map((name) => compareOutput(name, reference[name], candidate[name], options.tolerance));
  return {
    ok: outputs.length > 0 && outputs.every((output) => output.ok),
    outputs,
    tolerance: greatest([0, ...outputs.map((output) => output.tolerance)]),
  };
}

/** `compareOutputs` of one value. @param rounding the noise of the reference itself, where it was measured */
export function compareOutput(
  name: string,
  reference: TensorValue | undefined,
  candidate: TensorValue | undefined,
  asked: Tolerance | undefined,
  rounding: Rounding = () => 0,
): OutputComparison {
  const known = reference ?? candidate!;
  const tolerance = toleranceFor(known.dataType, asked);
  const common = { name, dataType: known.dataType, dims: known.dims, tolerance };
  const mismatch = incomparable(reference, candidate);
  if (mismatch !== undefined) {
    return { ...common, maxAbs: Infinity, maxRel: Infinity, maxReference: 0, ok: false, reason: mismatch };
  }
  const { maxAbs, maxRel, maxReference, worst } = distance(reference!, candidate!, rounding);
  const ok = maxRel <= tolerance;
  return {
    ...common,
    maxAbs,
    maxRel,
    maxReference,
    ok,
    ...(ok ? {} : { reason: differs(reference!, candidate!, worst) }),
  };
}

function incomparable(reference: TensorValue | undefined, candidate: TensorValue | undefined): string | undefined {
  if (reference === undefined) return 'the reference has no such output';
  if (candidate === undefined) return 'the candidate has no such output';
  if (reference.dataType !== candidate.dataType) {
    return `expected ${dataTypeName(reference.dataType)}, found ${dataTypeName(candidate.dataType)}`;
  }
  const [expected, found] = [reference.dims, candidate.dims].map((dims) => `[${dims.join(', ')}]`);
  return expected === found ? undefined : `expected dimensions ${expected}, found ${found}`;
}

// Looking up a global in every step of a loop is slow where tests run it in a context of their own.
const { abs, max } = Math;
const { isNaN: isNotANumber } = Number;

interface Distance {
  readonly maxAbs: number;
  readonly maxRel: number;
  readonly maxReference: number;
  /** Position of the largest difference, by the scale of its slice. */
  readonly worst: number;
}

function distance(reference: TensorValue, candidate: TensorValue, rounding: Rounding): Distance {
  if (isExact(reference)) return exactDistance(reference, candidate);
  const right = valueNumbers(reference);
  const asked = valueNumbers(candidate);
  const scales = new SliceMaxima(reference.dims, (i) => abs(right[i]!));
  const unit = unitOf(reference.dataType);
  const found = { maxAbs: 0, maxRel: 0, maxReference: scales.whole, worst: 0 };
  for (let i = 0; i < right.length; i++) {
    const gap = difference(right[i]!, asked[i]!);
    if (gap === 0) continue;
    if (gap > found.maxAbs) found.maxAbs = gap;
    // The scale of a slice is at least that of the element: most need no closer look.
    if (gap <= found.maxRel * abs(right[i]!)) continue;
    const beyond = gap <= unit ? 0 : gap - rounding(i);
    const relative = beyond <= 0 ? 0 : beyond / (scales.at(i) || 1);
    if (relative > found.maxRel) Object.assign(found, { maxRel: relative, worst: i });
  }
  return found;
}

/** Strings and 64-bit integers, whose differences a double would round away. */
function isExact({ data }: TensorValue): boolean {
  return !ArrayBuffer.isView(data) || data instanceof BigInt64Array || data instanceof BigUint64Array;
}

function exactDistance(reference: TensorValue, candidate: TensorValue): Distance {
  let maxAbs = 0;
  let worst = 0;
  let maxReference = 0;
  for (let i = 0; i < reference.data.length; i++) {
    const [right, asked] = [reference.data[i]!, candidate.data[i]!];
    if (typeof right === 'bigint') maxReference = max(maxReference, abs(Number(right)));
    if (right === asked) continue;
    const gap = typeof right === 'bigint' && typeof asked === 'bigint' ? abs(Number(right - asked)) : Infinity;
    if (gap > maxAbs) {
      maxAbs = gap;
      worst = i;
    }
  }
  return { maxAbs, maxRel: maxAbs === 0 ? 0 : maxAbs / (maxReference || 1), maxReference, worst };
}

function difference(right: number, asked: number): number {
  if (right === asked || (isNotANumber(right) && isNotANumber(asked))) return 0;
  const gap = abs(right - asked);
  return isNotANumber(gap) ? Infinity : gap;
}

function differs(reference: TensorValue, candidate: TensorValue, worst: number): string {
  const at = `[${position(reference.dims, worst).join(', ')}]`;
  return `at ${at} the reference has ${shown(reference, worst)}, the candidate ${shown(candidate, worst)}`;
}

function shown(value: TensorValue, index: number): string {
  return isExact(value) ? String(value.data[index]) : String(valueNumbers(value)[index]);
}

/** Row-major position of a flat index. */
function position(dims: readonly number[], index: number): number[] {
  let rest = index;
  let size = elementCount(dims);
  return dims.map((dim) => {
    size /= dim;
    const at = Math.floor(rest / size);
    rest -= at * size;
    return at;
  });
}

/** `compareOutputs` of what `runBoth` returns. */
export async function compareModels(
  reference: ModelSource,
  candidate: ModelSource,
  options: RunBothOptions & CompareOptions = {},
): Promise<Comparison> {
  checkArguments('compareModels', { reference: [reference, MODEL_SOURCE], candidate: [candidate, MODEL_SOURCE] });
  checkRunOptions('compareModels', options, { tolerance: TOLERANCE });
  const { tolerance: _, ...run } = options;
  const results = await runBoth(reference, candidate, run);
  return compareOutputs(results.reference, results.candidate, options);
}
