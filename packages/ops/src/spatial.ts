/**
 * Sizes of spatial axes under sliding windows: convolution, transposed convolution and pooling, with strides,
 * dilations, explicit and automatic padding, and rounding up. Pure arithmetic on one axis at a time, and the reading of
 * the attributes that describe the windows. It must know no operator and no channel axis.
 *
 * Where the ONNX text and onnxruntime differ (a last window that would start in the padding on the right is left out in
 * every opset, not only since opset 22), the sizes are those that run.
 */
import { mulDims } from './dims.ts';
import type { Dim, InferContext } from './record.ts';

/** How padding is chosen; SAME_UPPER and SAME_LOWER give the same size. */
export type AutoPad = 'NOTSET' | 'SAME' | 'VALID';

/** A sliding window along one spatial axis. */
export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly padEnd: number;
  readonly autoPad: AutoPad;
}

/** Elements from the first to the last tap of the window: (kernel - 1) * dilation + 1. */
export function windowExtent(w: Window): number {
  return (w.kernel - 1) * w.dilation + 1;
}

/**
 * Number of windows along an axis of `input` elements; below 1 where not even one fits.
 * Floor mode: trunc((input + pads - extent) / stride) + 1. Ceil mode rounds up, and leaves out a last window that would
 * start beyond the input and its left padding. SAME: ceil(input / stride).
 * Source: Conv-22, MaxPool-22 and AveragePool-22 of the ONNX operator specification.
 */
export function slidingSize(input: number, w: Window, rounding: 'floor' | 'ceil' = 'floor'): number {
  if (w.autoPad === 'SAME') return Math.ceil(input / w.stride);
  const [begin, end] = w.autoPad === 'VALID' ? [0, 0] : [w.padBegin, w.padEnd];
  const steps = (input + begin + end - windowExtent(w)) / w.stride;
  if (rounding === 'floor') return Math.trunc(steps) + 1;
  const size = Math.ceil(steps) + 1;
  return (size - 1) * w.stride >= input + begin ? size - 1 : size;
}

/**
 * Size that a transposed convolution makes of an axis of `input` elements.
 * SAME pads until the result is input * stride, which padding can only lower.
 * Source: ConvTranspose-22 of the ONNX operator specification.
 */
export function transposedSize(input: number, w: Window, outputPadding: number): number {
  const full = (input - 1) * w.stride + outputPadding + windowExtent(w);
  if (w.autoPad === 'SAME') return Math.min(full, input * w.stride);
  return w.autoPad === 'VALID' ? full : full - w.padBegin - w.padEnd;
}

/** As slidingSize, for an axis that may be symbolic: the same symbol where the window keeps sizes, else a new one. */
export function slidingDim(ctx: InferContext, input: Dim, w: Window, rounding: 'floor' | 'ceil' = 'floor'): Dim {
  if (typeof input === 'number') return slidingSize(input, w, rounding);
  const pads = w.autoPad === 'VALID' ? 0 : w.padBegin + w.padEnd;
  const keeps = w.stride === 1 && (w.autoPad === 'SAME' || pads === windowExtent(w) - 1);
  return keeps ? input : ctx.symbol('windows');
}

/** As transposedSize, for an axis that may be symbolic: a multiple of the symbol where it is exactly that. */
export function transposedDim(ctx: InferContext, input: Dim, w: Window, outputPadding: number): Dim {
  if (typeof input === 'number') return transposedSize(input, w, outputPadding);
  const surplus = outputPadding + windowExtent(w) - w.stride;
  const pads = w.autoPad === 'NOTSET' ? w.padBegin + w.padEnd : 0;
  const multiple = w.autoPad === 'SAME' ? surplus >= 0 : surplus === pads;
  return multiple ? mulDims(w.stride, input) : ctx.symbol('upsampled');
}

/**
 * The windows that `strides`, `dilations`, `pads` and `auto_pad` describe, one per entry of `kernel`.
 * Attributes that are absent mean stride 1, dilation 1 and no padding. Fails where their lengths contradict the kernel.
 */
export function readWindows(ctx: InferContext, kernel: readonly number[]): Window[] {
  const n = kernel.length;
  const strides = readSpatial(ctx, 'strides', n, 1);
  const dilations = readSpatial(ctx, 'dilations', n, 1);
  const pads = readSpatial(ctx, 'pads', 2 * n, 0);
  const autoPad = readAutoPad(ctx);
  return kernel.map((size, i) => ({
    kernel: size,
    stride: strides[i],
    dilation: dilations[i],
    padBegin: pads[i],
    padEnd: pads[i + n],
    autoPad,
  }));
}

/** An integer list attribute with one entry per spatial axis (or two); `fallback` throughout where it is absent. */
export function readSpatial(ctx: InferContext, name: string, length: number, fallback: number): readonly number[] {
  const values = ctx.ints(name);
  if (values === undefined || values.length === 0) return new Array<number>(length).fill(fallback);
  if (values.length !== length) ctx.fail(`${length} values in attribute '${name}'`, `${values.length}`);
  return values;
}

/** Throws where a window does not fit its padded input even once. */
export function checkSpatial(ctx: InferContext, dims: readonly Dim[]): readonly Dim[] {
  dims.forEach((dim, i) => {
    if (typeof dim === 'number' && dim < 1) {
      ctx.fail(`at least one element along spatial axis ${i}`, `${dim} with this input size, kernel and padding`);
    }
  });
  return dims;
}

function readAutoPad(ctx: InferContext): AutoPad {
  const text = ctx.string('auto_pad', 'NOTSET');
  if (text === 'SAME_UPPER' || text === 'SAME_LOWER') return 'SAME';
  if (text === 'VALID') return 'VALID';
  if (text === 'NOTSET' || text === '') return 'NOTSET';
  return ctx.fail("auto_pad 'NOTSET', 'SAME_UPPER', 'SAME_LOWER' or 'VALID'", `'${text}'`);
}
