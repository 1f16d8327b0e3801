/** Small networks whose groups are known by looking at them. */
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';

const ones = (size: number): Float32Array => new Float32Array(size).fill(1);

function conv(b: GraphBuilder, name: string, x: string, inner: number, out: number): string {
  b.initializer(`${name}.weight`, [out, inner, 1, 1], ones);
  return b.node('Conv', [x, `${name}.weight`], {}, { name });
}

/** x -> a -> relu -> b, with b added to relu, -> c. */
export function residualNetwork(): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 3, 4, 4]);
  const relu = b.node('Relu', [conv(b, 'a', 'x', 3, 4)], {}, { name: 'relu' });
  const sum = b.node('Add', [conv(b, 'b', relu, 4, 4), relu], {}, { name: 'add' });
  b.output(conv(b, 'c', sum, 4, 2));
  return b.build();
}

/** x -> a (4) and x -> b (2), concatenated -> c. */
export function concatNetwork(): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 3, 4, 4]);
  const both = [conv(b, 'a', 'x', 3, 4), conv(b, 'b', 'x', 3, 2)];
  b.output(conv(b, 'c', b.node('Concat', both, { axis: 1 }, { name: 'cat' }), 6, 2));
  return b.build();
}

/** A chain of two convolutions, the first of which has this name. */
export function namedNetwork(name: string): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', ['batch', 3, 4, 4]);
  b.initializer('v', [4, 3, 1, 1], ones);
  const first = b.node('Conv', ['x', 'v'], {}, { name, outputs: ['y'] });
  b.output(conv(b, 'last', first, 4, 2));
  return b.build();
}

/** x -> rnn (4 units), whose output channels stand on three axes of its parameters -> c. */
export function recurrentNetwork(): Model {
  const b = new GraphBuilder({ opset: 11 });
  b.input('x', ['steps', 'batch', 3]);
  b.initializer('rnn.weight', [1, 4, 3], ones);
  b.initializer('rnn.recurrence', [1, 4, 4], ones);
  b.initializer('rnn.bias', [1, 8], ones);
  const y = b.node('RNN', ['x', 'rnn.weight', 'rnn.recurrence', 'rnn.bias'], { hidden_size: 4 }, { name: 'rnn' });
  b.initializer('c.weight', [4, 2], ones);
  b.output(b.node('MatMul', [b.node('Squeeze', [y], { axes: [1] }), 'c.weight'], {}, { name: 'c' }));
  return b.build();
}
