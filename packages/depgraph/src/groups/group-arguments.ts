/** Kinds of arguments that say what a group is of. */
import { type Kind, kinds, listOf } from '@onnx-pruning/onnx';
import type { PruningFunction } from './pruning-function.ts';

/** Indices of channels. */
export const CHANNELS: Kind = listOf(kinds.anyNumber);

/** What names a side of a kind of layers. */
export const PRUNING_FUNCTION: Kind = {
  expected: 'a pruning function, such as pruneConvOutChannels',
  accepts: (value) => kinds.callback.accepts(value) && Array.isArray((value as Partial<PruningFunction>).kinds),
};

/** One side of one layer. */
export const AXIS: Kind = {
  expected: 'one side of a layer (group.root)',
  accepts: (value) => kinds.object.accepts(value) && 'term' in (value as object),
};
