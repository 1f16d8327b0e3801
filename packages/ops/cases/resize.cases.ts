/** Resize and Upsample by example. */
import { type AttributeValue, DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { conv, image, lastConv, parameter } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const carried = ['conv1 out 8, last in 8'];

const scales = (b: GraphBuilder, values: readonly number[]): string => b.initializer('scales', [values.length], values);
const empty = (b: GraphBuilder, name: string): string => b.initializer(name, [0], []);

/** `conv1`, an operator that is given the inputs after the first, and a last convolution. */
function resized(
  name: string,
  opset: number,
  inputs: (b: GraphBuilder) => readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  opType = 'Resize',
): OperatorCase {
  return {
    name,
    opset,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      lastConv(b, b.node(opType, [y, ...inputs(b)], attributes), 8);
    },
    groups: carried,
  };
}

/** The same where pruning is refused. */
function refused(spec: OperatorCase, because: RegExp): OperatorCase {
  return { ...spec, groups: [], because };
}

const versions: readonly OperatorCase[] = [
  resized('Upsample 7: scales are an attribute', 7, () => [], { scales: { floats: [1, 1, 2, 2] } }, 'Upsample'),
  resized('Upsample 9: scales are an input', 9, (b) => [scales(b, [1, 1, 2, 1.5])], { mode: 'nearest' }, 'Upsample'),
  resized('Resize 10: scales', 10, (b) => [scales(b, [1, 1, 1.5, 2])], { mode: 'linear' }),
  resized('Resize 11: scales', 11, (b) => [empty(b, 'roi'), scales(b, [1, 1, 2, 2])], { mode: 'linear' }),
  resized('Resize 11: the sizes state the channels', 11, (b) => [
    empty(b, 'roi'),
    empty(b, 'scales'),
    b.ints('sizes', [1, 8, 7, 5]),
  ]),
  resized('Resize 13: roi is left out', 13, (b) => ['', scales(b, [1, 1, 2, 2])], { mode: 'cubic' }),
  resized('Resize 13: the sizes state the channels', 13, (b) => ['', '', b.ints('sizes', [1, 8, 6, 6])], {
    mode: 'linear',
    coordinate_transformation_mode: 'align_corners',
  }),
  resized('Resize 18: sizes of some axes', 18, (b) => ['', '', b.ints('sizes', [6, 7])], { axes: [2, 3] }),
  resized('Resize 19: scales of some axes, counted from the end', 19, (b) => ['', scales(b, [2, 1.5])], {
    axes: [-1, -2],
  }),
  resized('Resize 19: not_larger', 19, (b) => ['', '', b.ints('sizes', [6, 7])], {
    axes: [2, 3],
    keep_aspect_ratio_policy: 'not_larger',
  }),
  resized('Resize 26: scales', 26, (b) => ['', scales(b, [1, 1, 2, 2])]),
];

const channels: readonly OperatorCase[] = [
  {
    name: 'Resize: channels are interpolated',
    opset: 13,
    build: (b) => {
      const inputs = [conv(b, 'conv1', image(b), 3, 8), '', scales(b, [1, 1.5, 1, 1])];
      lastConv(b, b.node('Resize', inputs), 12);
    },
    groups: [],
    because: /interpolates along this axis/,
  },
  refused(
    resized('Resize: the aspect ratio is kept over channels too', 19, (b) => ['', '', b.ints('sizes', [1, 8, 4, 4])], {
      keep_aspect_ratio_policy: 'not_larger',
    }),
    /aspect ratio/,
  ),
  {
    name: 'Resize: scales computed from sizes that state the channels',
    opset: 11,
    build: (b) => {
      const y = conv(b, 'conv1', image(b, 1), 3, 8);
      const wanted = b.node('Cast', [b.ints('sizes', [1, 8, 6, 6])], { to: DataType.FLOAT });
      const present = b.node('Cast', [b.node('Shape', [y])], { to: DataType.FLOAT });
      const ratio = b.node('Div', [wanted, present]);
      lastConv(b, b.node('Resize', [y, empty(b, 'roi'), ratio], { mode: 'linear' }), 8);
    },
    groups: carried,
  },
  {
    name: 'Resize: to the size of another value, known at run time',
    opset: 17,
    build: (b) => {
      const x = b.input('x', ['batch', 3, 'height', 'width']);
      const skip = conv(b, 'skip', x, 3, 6);
      const inner = [x, parameter(b, 'conv1.weight', [8, 3, 2, 2])];
      const y = b.node('Conv', inner, { strides: [2, 2] }, { name: 'conv1' });
      const image = b.node('Slice', [
        b.node('Shape', [skip]),
        b.ints('from', [2]),
        b.ints('to', [4]),
        b.ints('axis', [0]),
      ]);
      const head = b.node('Slice', [
        b.node('Shape', [y]),
        b.ints('head_from', [0]),
        b.ints('head_to', [2]),
        b.ints('head_axis', [0]),
      ]);
      const sizes = b.node('Concat', [head, image], { axis: 0 });
      const wide = b.node('Resize', [y, '', '', sizes], { mode: 'nearest' });
      lastConv(b, b.node('Concat', [wide, skip], { axis: 1 }), 14);
    },
    groups: ['conv1 out 8, last in 8', 'skip out 6, last in 6'],
  },
];

export const cases: readonly OperatorCase[] = [...versions, ...channels];
