/** The public API of @onnx-pruning/data: tensors from files. */
export { DataError } from './errors.ts';
export { type FeedSource, readFeeds } from './feeds.ts';
export { readNpy, readNpz, readRaw, readTensorProto } from './readers.ts';
export type { NamedTensor } from './tensor-proto.ts';
