/** The public API of @onnx-pruning/models. */
export * from './densenet.ts';
export * from './fetch.ts';
export * from './resnet.ts';
export * from './skeleton.ts';
export { ModelOptionError, type ModelOptions } from './torch-graph.ts';
