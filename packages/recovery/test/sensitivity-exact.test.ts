/**
 * What a sensitivity is measured on is the pruned model: for every group and ratio the outputs are those of the model
 * that a pruner makes, given the group's root and the ratio, and run in onnxruntime.
 */
import { evaluate } from '@onnx-pruning/data';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { sensitivity } from '../src/index.ts';
import { random } from './planted.ts';
import { recorder, samplesFor } from './samples.ts';

const weight = (b: GraphBuilder, name: string, dims: number[]): string =>
  b.initializer(name, dims, (size) => random(size + name.length)(size).map((x) => x / 2));

const conv = (b: GraphBuilder, x: string, name: string, from: number, to: number): string => {
  const inputs = [x, weight(b, `${name}.weight`, [to, from, 3, 3]), weight(b, `${name}.bias`, [to])];
  return b.node('Conv', inputs, { pads: [1, 1, 1, 1] }, { name });
};

const norm = (b: GraphBuilder, x: string, name: string, channels: number): string => {
  const parts = ['scale', 'shift', 'mean'].map((part) => weight(b, `${name}.${part}`, [channels]));
  const variance = b.initializer(`${name}.var`, [channels], (size) => new Float32Array(size).fill(0.7));
  return b.node('BatchNormalization', [x, ...parts, variance], {}, { name });
};

const linear = (b: GraphBuilder, x: string, name: string, from: number, to: number): string => {
  const product = b.node('MatMul', [x, weight(b, `${name}.weight`, [from, to])], {}, { name });
  return b.node('Add', [product, weight(b, `${name}.bias`, [to])]);
};

const classes = (b: GraphBuilder, x: string, from: number): string => {
  const flat = b.node('Flatten', [b.node('GlobalAveragePool', [x])]);
  return b.node('Gemm', [flat, weight(b, 'fc.weight', [3, from])], { transB: 1 }, { name: 'fc' });
};

const image = (b: GraphBuilder): string => b.input('x', ['batch', 3, 6, 6]);
const sequence = (b: GraphBuilder): string => b.input('x', ['batch', 4, 6]);

type Step = (b: GraphBuilder, value: string) => string;

/** Two heads of four channels over four tokens. @param queries what is done to the queries */
function attention(b: GraphBuilder, x: string, queries: Step = (_, q) => q): string {
  const heads = (name: string): string =>
    b.node('Transpose', [b.node('Reshape', [linear(b, x, name, 6, 8), b.ints(`${name}.heads`, [0, 0, 2, -1])])], {
      perm: [0, 2, 1, 3],
    });
  const scores = b.node('MatMul', [queries(b, heads('q')), b.node('Transpose', [heads('k')], { perm: [0, 1, 3, 2] })]);
  const mixed = b.node('MatMul', [b.node('Softmax', [scores], { axis: -1 }), heads('v')]);
  const joined = b.node('Reshape', [
    b.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }),
    b.ints('joined', [0, 0, -1]),
  ]);
  return linear(b, joined, 'proj', 8, 6);
}

const mlp = (b: GraphBuilder, x: string): string =>
  linear(b, b.node('Sigmoid', [linear(b, x, 'up', 6, 10)]), 'down', 10, 6);

/** Networks whose groups masks express. */
const MASKED: Readonly<Record<string, (b: GraphBuilder) => string>> = {
  'a plain CNN': (b) => {
    const first = b.node('Relu', [norm(b, conv(b, image(b), 'conv1', 3, 8), 'bn1', 8)]);
    return classes(b, b.node('Relu', [norm(b, conv(b, first, 'conv2', 8, 6), 'bn2', 6)]), 6);
  },
  'residual connections': (b) => {
    const stem = b.node('Relu', [conv(b, image(b), 'stem', 3, 6)]);
    const branch = conv(b, b.node('Relu', [conv(b, stem, 'conv1', 6, 8)]), 'conv2', 8, 6);
    const sum = b.node('Relu', [norm(b, b.node('Add', [stem, branch]), 'bn', 6)]);
    return classes(b, b.node('Add', [sum, conv(b, sum, 'conv3', 6, 6)]), 6);
  },
  'a concatenation': (b) => {
    const x = image(b);
    const joined = b.node('Concat', [conv(b, x, 'left', 3, 4), conv(b, x, 'right', 3, 6), x], { axis: 1 });
    return classes(b, conv(b, b.node('Relu', [norm(b, joined, 'bn', 13)]), 'last', 13, 5), 5);
  },
  'depthwise and grouped convolutions': (b) => {
    const wide = b.node('HardSwish', [conv(b, image(b), 'expand', 3, 8)]);
    const depthwise = b.node('Conv', [wide, weight(b, 'dw.weight', [8, 1, 3, 3])], { group: 8 }, { name: 'dw' });
    const grouped = b.node(
      'Conv',
      [depthwise, weight(b, 'grouped.weight', [6, 4, 1, 1])],
      { group: 2 },
      { name: 'grouped' },
    );
    return classes(b, b.node('Relu', [grouped]), 6);
  },
  'a sum of channels behind a sigmoid, where a masked layer would leave 0.5 for each': (b) => {
    const gate = b.node('Sigmoid', [conv(b, image(b), 'conv1', 3, 8)]);
    const sum = b.node('ReduceSum', [gate, b.ints('axes', [1])], { keepdims: 0 });
    return b.node('Flatten', [sum]);
  },
  'a squeeze-and-excite block': (b) => {
    const x = conv(b, image(b), 'conv1', 3, 8);
    const squeezed = b.node(
      'Conv',
      [b.node('GlobalAveragePool', [x]), weight(b, 'fc1', [4, 8, 1, 1])],
      {},
      { name: 'fc1' },
    );
    const gate = b.node('Conv', [b.node('Relu', [squeezed]), weight(b, 'fc2', [8, 4, 1, 1])], {}, { name: 'fc2' });
    return classes(b, b.node('Mul', [x, b.node('Sigmoid', [gate])]), 8);
  },
  'attention heads and an MLP': (b) => {
    const x = sequence(b);
    const mixed = b.node('Add', [x, attention(b, x)]);
    return b.node('Add', [mixed, mlp(b, mixed)]);
  },
  'heads that must keep the same channels, since a node cannot tell them apart': (b) =>
    attention(b, sequence(b), sliced),
};

/** All channels, as exporters write q[..., 0:4]: the end of the slice is a number of channels. */
const sliced: Step = (b, q) => b.node('Slice', [q, ...[0, 4, 3].map((n, i) => b.ints(`bounds${i}`, [n]))]);

function built(build: (b: GraphBuilder) => string): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.output(build(b));
  return b.build();
}

const RATIOS = [0.3, 0.6];
const SAMPLES = 3;

/** What a pruner makes of one group at one ratio, on the same samples. */
async function pruned(model: Model, root: string, ratio: number): Promise<number[][]> {
  const copy = model.clone();
  const importance = new GroupMagnitudeImportance();
  new BasePruner(copy, { importance, pruningRatio: 0, pruningRatioDict: { [root]: ratio } }).step();
  const { metric, outputs } = recorder();
  await evaluate(copy, samplesFor(model, SAMPLES), metric);
  return outputs;
}

/** The largest difference of two lists of outputs, over the largest output. */
function distance(a: readonly number[][], b: readonly number[][]): number {
  const [left, right] = [a.flat(), b.flat()];
  const largest = (of: readonly number[]): number => Math.max(...of.map(Math.abs));
  return largest(left.map((x, i) => x - right[i]!)) / largest(right);
}

/** @returns which groups were measured, and how */
async function compare(model: Model): Promise<Record<string, string>> {
  const { metric, outputs } = recorder();
  const found = await sensitivity(model, samplesFor(model, SAMPLES), { ratios: RATIOS, metric });
  expect(found.left).toEqual([]);
  // The model itself comes first, then group by group and ratio by ratio.
  const next = (): number[][] => outputs.splice(0, SAMPLES);
  const itself = next();
  for (const { root, points } of found.groups) {
    for (const { ratio } of points) {
      const [measured, expected] = [next(), await pruned(model, root, ratio)];
      expect({ root, ratio, isSame: distance(measured, expected) < 1e-5 }).toEqual({ root, ratio, isSame: true });
      expect(distance(expected, itself)).toBeGreaterThan(1e-3);
    }
  }
  expect(outputs).toEqual([]);
  return Object.fromEntries(found.groups.map(({ root, method }) => [root, method]));
}

describe('masked channels give what the pruned model gives, with', () => {
  test.each(Object.entries(MASKED))('%s', async (_, build) => {
    const methods = await compare(built(build));
    expect(new Set(Object.values(methods))).toEqual(new Set(['masked']));
  });
});

test('groups under a LayerNormalization are pruned for real, and those inside the block masked', async () => {
  const normed = (b: GraphBuilder, x: string, name: string): string =>
    b.node('LayerNormalization', [x, weight(b, `${name}.scale`, [6]), weight(b, `${name}.shift`, [6])], {}, { name });
  const model = built((b) => {
    const x = linear(b, sequence(b), 'embed', 6, 6);
    const mixed = b.node('Add', [x, attention(b, normed(b, x, 'ln1'))]);
    return linear(b, b.node('Add', [mixed, mlp(b, normed(b, mixed, 'ln2'))]), 'head', 6, 2);
  });
  const methods = await compare(model);
  const pruned = Object.keys(methods).filter((root) => methods[root] === 'pruned');
  // The stream through the block is one group, named after the layer that is met first from the outputs.
  expect(pruned).toHaveLength(1);
  expect(Object.values(methods).filter((method) => method === 'masked').length).toBeGreaterThanOrEqual(3);
});
