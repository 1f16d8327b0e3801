/**
 * The ones and zeros that an axis is multiplied by so that removed channels contribute nothing to whoever reads it. It
 * must not know who does.
 */
import { type DimTerm, type KeptIndices, numericSize } from '@onnx-pruning/depgraph';
import { groupAxis } from './planned-removal.ts';

/** A mask that broadcasts against a value: sizes of its axes, and its elements in row-major order. */
export interface ChannelMask {
  readonly dims: readonly number[];
  readonly ones: Float32Array;
}

/**
 * The mask of one axis of a value. Where another axis tells groups apart that may keep channels of their own, it has
 * that axis, too; its dimensions do not depend on what is kept.
 * @param axes the terms of all axes of the value
 */
export function channelMask(axes: readonly DimTerm[], axis: number, kept: KeptIndices): ChannelMask {
  const term = axes[axis]!;
  const size = numericSize(term);
  const groups = groupAxis(axes, axis);
  const count = groups < 0 ? 1 : numericSize(axes[groups]!);
  const lists = kept.perGroup(term) ?? new Array<Int32Array | undefined>(count).fill(kept.of(term));
  const ones = new Float32Array(count * size);
  const [groupStride, channelStride] = groups < axis ? [size, 1] : [1, count];
  lists.forEach((list, g) => {
    for (let c = 0; c < size; c++) if (list === undefined) ones[g * groupStride + c * channelStride] = 1;
    for (const channel of list ?? []) ones[g * groupStride + channel * channelStride] = 1;
  });
  return { dims: axes.map((_, i) => (i === axis ? size : i === groups ? count : 1)), ones };
}
