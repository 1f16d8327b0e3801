/** Small networks with weights that are easy to calculate with. */
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';

/** Rows of numbers as the weight of a convolution with 1 x 1 kernels: one row per output channel. */
export function convOf(b: GraphBuilder, name: string, x: string, rows: readonly (readonly number[])[]): string {
  const weight = b.initializer(`${name}.weight`, [rows.length, rows[0].length, 1, 1], rows.flat());
  return b.node('Conv', [x, weight], {}, { name });
}

/**
 * x (2) -> conv1 (4) -> bn1 -> conv2 (1). Squared rows of conv1 sum to 1, 4, 9, 16; the scales of bn1 square to
 * 16, 9, 4, 1; the columns of conv2 to 1, 1, 1, 9.
 */
export function scored(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', ['batch', 2, 2, 2]);
  const rows = [
    [1, 0],
    [0, -2],
    [3, 0],
    [0, 4],
  ];
  const conv1 = convOf(b, 'conv1', x, rows);
  const norm = [
    b.initializer('bn1.weight', [4], [4, -3, 2, 1]),
    b.initializer('bn1.bias', [4], [0, 0, 10, 0]),
    b.initializer('bn1.running_mean', [4], [5, 6, 7, 8]),
    b.initializer('bn1.running_var', [4], [1, 2, 3, 4]),
  ];
  const bn1 = b.node('BatchNormalization', [conv1, ...norm], {}, { name: 'bn1' });
  b.output(convOf(b, 'conv2', bn1, [[1, -1, 1, 3]]));
  return b.build();
}

/**
 * A chain of convolutions a (8) -> b (8) -> c (4) -> last (2) whose importance by magnitude rises with the channel: row
 * i of every weight is i + 1 (b counts from 101, so that its channels outweigh those of a).
 */
export function chain(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const rising = (rows: number, columns: number, from: number): number[][] =>
    Array.from({ length: rows }, (_, i) => new Array<number>(columns).fill(from + i));
  const x = b.input('x', ['batch', 3, 2, 2]);
  const first = convOf(b, 'a', x, rising(8, 3, 1));
  const second = convOf(b, 'b', b.node('Relu', [first]), rising(8, 8, 101));
  const third = convOf(b, 'c', b.node('Relu', [second]), rising(4, 8, 1));
  b.output(convOf(b, 'last', b.node('Relu', [third]), rising(2, 4, 1)));
  return b.build();
}
