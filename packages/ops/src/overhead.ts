/**
 * What Torch-Pruning's counter charges for one inference besides multiply-accumulates: the amounts that records choose
 * from. They are the habit of another tool and no fact about the operators. A module of PyTorch is recognised by the
 * operator that it is exported as, so what was called as a function there (and is not charged by Torch-Pruning) is
 * charged here; recurrent and fused attention layers are charged their multiply-accumulates only.
 * Source: Torch-Pruning 1.6.1, `count_ops_and_params`.
 */
import type { ModuleContext } from './record.ts';

const sizeOf = (dims: readonly number[]): number => dims.reduce((size, dim) => size * dim, 1);

/** One for each element of the result: activations. */
export const perOutputElement = (ctx: ModuleContext): number => sizeOf(ctx.outDims(0));

/** One for each element of the input: pooling. */
export const perInputElement = (ctx: ModuleContext): number => sizeOf(ctx.inDims(0));

/** Scale and shift; the file does not tell whether a layer without them was exported with ones and zeros. */
export const scaleAndShift = (ctx: ModuleContext): number => 2 * sizeOf(ctx.inDims(0));

/** One for each element of the first sample of the batch: upsampling. */
export const perElementOfOneSample = (ctx: ModuleContext): number => sizeOf(ctx.outDims(0).slice(1));

/** The outputs of a linear layer: its bias is charged once a call, whatever the number of rows. */
export const perOutputFeature = (ctx: ModuleContext): number => ctx.outDims(0).at(-1) ?? 0;
