/**
 * The pieces that operator cases are built of: layers with random weights, named as exporters name them. Nothing here
 * knows the operator that a case is about.
 */
import { createRandom, type GraphBuilder } from '@onnx-pruning/onnx';

/** Random weights that depend on the layer's name, so that no two layers are alike. */
function weights(name: string): (size: number) => Float32Array {
  const seed = [...name].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) >>> 0, 7);
  const random = createRandom(seed);
  return (size) => Float32Array.from({ length: size }, () => random.normal());
}

/** A float initializer of random numbers. */
export function parameter(b: GraphBuilder, name: string, dims: readonly number[]): string {
  return b.initializer(name, dims, weights(name));
}

/** The image `x`: 3 channels of 4 x 4, dynamic batch unless a number is given. */
export function image(b: GraphBuilder, batch: number | string = 'batch'): string {
  return b.input('x', [batch, 3, 4, 4]);
}

/** A 1 x 1 convolution with bias: `<name>.weight` of `[out, inner]`. */
export function conv(b: GraphBuilder, name: string, x: string, inner: number, out: number): string {
  const inputs = [x, parameter(b, `${name}.weight`, [out, inner, 1, 1]), parameter(b, `${name}.bias`, [out])];
  return b.node('Conv', inputs, { kernel_shape: [1, 1] }, { name });
}

/** A linear layer on a matrix: Gemm with `<name>.weight` of `[out, inner]`. */
export function linear(b: GraphBuilder, name: string, x: string, inner: number, out: number): string {
  const inputs = [x, parameter(b, `${name}.weight`, [out, inner]), parameter(b, `${name}.bias`, [out])];
  return b.node('Gemm', inputs, { transB: 1 }, { name });
}

/** A linear layer on the last axis of any tensor: MatMul with `<name>.weight` of `[inner, out]`. */
export function project(b: GraphBuilder, name: string, x: string, inner: number, out: number): string {
  return b.node('MatMul', [x, parameter(b, `${name}.weight`, [inner, out])], {}, { name });
}

/** Layer `last`, a convolution of `inner` channels whose result is the output of the graph. */
export function lastConv(b: GraphBuilder, x: string, inner: number): void {
  b.output(conv(b, 'last', x, inner, 2));
}

/** Layer `last`, a linear layer of `inner` features whose result is the output of the graph. */
export function lastLinear(b: GraphBuilder, x: string, inner: number): void {
  b.output(linear(b, 'last', x, inner, 2));
}
