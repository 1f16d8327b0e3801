/** Small models whose results are known by arithmetic. */
import { DataType, GraphBuilder, type Model } from '@onnx-pruning/onnx';

/** y = x * factor, for x of dimensions [batch, 3]. */
export function scaleModel(factor: number): Model {
  const builder = new GraphBuilder({ opset: 13 });
  builder.input('x', ['batch', 3]);
  builder.initializer('factor', [], [factor]);
  builder.node('Mul', ['x', 'factor'], {}, { name: 'mul', outputs: ['y'] });
  builder.output('y', ['batch', 3]);
  return builder.build();
}

/** doubled = x * 2, shape = Shape(doubled), y = doubled + 1, for x of dimensions [batch, 3]. */
export function chainModel(): Model {
  const builder = new GraphBuilder({ opset: 13 });
  builder.input('x', ['batch', 3]);
  builder.initializer('two', [], [2]);
  builder.initializer('one', [], [1]);
  builder.node('Mul', ['x', 'two'], {}, { outputs: ['doubled'] });
  builder.node('Shape', ['doubled'], {}, { outputs: ['shape'] });
  builder.node('Add', ['doubled', 'one'], {}, { outputs: ['y'] });
  builder.output('y', ['batch', 3]);
  return builder.build();
}

/** Identity of an input with these dimensions and this type. */
export function identityModel(dims: readonly (number | string)[], dataType: number = DataType.FLOAT): Model {
  const builder = new GraphBuilder({ opset: 19 });
  builder.input('x', dims, dataType);
  builder.node('Identity', ['x'], {}, { outputs: ['y'] });
  builder.output('y', dims, dataType);
  return builder.build();
}

/** Concatenation of two inputs along the last axis. */
export function pairModel(left: readonly (number | string)[], right: readonly (number | string)[]): Model {
  const builder = new GraphBuilder({ opset: 13 });
  builder.input('left', left);
  builder.input('right', right);
  builder.node('Concat', ['left', 'right'], { axis: -1 }, { outputs: ['y'] });
  builder.output('y');
  return builder.build();
}
