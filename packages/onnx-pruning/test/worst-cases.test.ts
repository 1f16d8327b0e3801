/**
 * What users of other pruning tools stumble over, one test each: the groups worked out by hand, half of every group
 * pruned, and the result checked against the oracle.
 */
import { DependencyGraph, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { loadSkeleton } from '@onnx-pruning/models';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { createPlan } from '@onnx-pruning/pruning';
import { conv, image, lastConv, lastLinear, linear, parameter } from '../../ops/cases/blocks.ts';
import { describeGroups, halvesOfAllGroups } from './every-group.ts';

type Build = (b: GraphBuilder) => void;

function build(make: Build): Model {
  const b = new GraphBuilder({ opset: 17 });
  make(b);
  return b.build();
}

/** The free groups are these, and with half of each pruned the model computes what it should. */
async function expectGroups(make: Build, groups: readonly string[]): Promise<DependencyGraph> {
  expect(describeGroups(build(make)).sort()).toEqual([...groups].sort());
  const model = build(make);
  const graph = new DependencyGraph().buildDependency(model);
  graph.pruneGroups(halvesOfAllGroups(graph).filter((group) => graph.checkPruningGroup(group)));
  const verification = await verify(build(make), model, createPlan(graph));
  expect(verification.outputs.filter((output) => !output.ok)).toEqual([]);
  return graph;
}

/** A convolution without bias: weight of `[out, inner, kernel, kernel]`, padded to keep the size of the image. */
function plain(
  b: GraphBuilder,
  name: string,
  x: string,
  dims: readonly [number, number],
  group = 1,
  kernel = 1,
): string {
  const weight = parameter(b, `${name}.weight`, [...dims, kernel, kernel]);
  const pad = Math.floor(kernel / 2);
  return b.node('Conv', [x, weight], { group, pads: [pad, pad, pad, pad] }, { name });
}

it('cat([x, x]): the same channels twice', async () => {
  await expectGroups(
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 4);
      lastConv(b, b.node('Concat', [x, x], { axis: 1 }), 8);
    },
    ['conv1 out 4, last in 8'],
  );
});

it('cat([x, y, x]) where x and y are added elsewhere: all three parts go together', async () => {
  await expectGroups(
    (b) => {
      const [x, y] = [conv(b, 'conv1', image(b), 3, 4), conv(b, 'conv2', 'x', 3, 4)];
      b.output(conv(b, 'sum', b.node('Add', [x, y]), 4, 2));
      lastConv(b, b.node('Concat', [x, y, x], { axis: 1 }), 12);
    },
    ['conv1 out 4, conv2 out 4, sum in 4, last in 12'],
  );
});

it('a mask [B, 1, H, W] multiplied in couples nothing', async () => {
  const graph = await expectGroups(
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 6);
      const mask = b.node('Sigmoid', [conv(b, 'mask', b.input('m', ['batch', 2, 4, 4]), 2, 1)]);
      lastConv(b, b.node('Mul', [x, mask]), 6);
    },
    ['conv1 out 6, last in 6'],
  );
  expect(graph.explain('mask')).toContain('it is stretched over another size, so it must stay one channel');
});

it('a mask that is an input, of one channel or of as many as the image', async () => {
  const masked =
    (channels: number): Build =>
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 6);
      lastConv(b, b.node('Mul', [x, b.input('m', ['batch', channels, 4, 4])]), 6);
    };
  await expectGroups(masked(1), ['conv1 out 6, last in 6']);
  await expectGroups(masked(6), []);
});

it('a convolution with 1 input channel is not depthwise', async () => {
  const graph = await expectGroups(
    (b) => {
      const x = plain(b, 'gray', b.input('x', ['batch', 1, 4, 4]), [6, 1], 1, 3);
      lastConv(b, x, 6);
    },
    ['gray out 6, last in 6'],
  );
  expect(graph.prunableLayer('gray').spec.kind).toBe('conv');
});

it('a convolution from 1 channel to 1 channel inside a network', async () => {
  // The one channel in between cannot be pruned away; what comes before and after can.
  await expectGroups(
    (b) => lastConv(b, plain(b, 'wide', plain(b, 'narrow', conv(b, 'conv1', image(b), 3, 6), [1, 6]), [4, 1]), 4),
    ['conv1 out 6, narrow in 6', 'narrow out 1, wide in 1', 'wide out 4, last in 4'],
  );
});

it('depthwise with multiplier: all outputs of a channel go with it', async () => {
  const make: Build = (b) => lastConv(b, plain(b, 'dw', conv(b, 'conv1', image(b), 3, 4), [12, 1], 4, 3), 12);
  await expectGroups(make, ['conv1 out 4, dw out 12, last in 12']);
  const graph = new DependencyGraph().buildDependency(build(make));
  const group = graph.getPruningGroup('conv1', pruneConvOutChannels, [1]);
  expect(group.items.map(({ axis, idxs }) => `${axis.layer.name} ${Array.from(idxs)}`)).toEqual([
    'conv1 1',
    'dw 3,4,5',
    'last 3,4,5',
  ]);
  group.prune();
  const dw = graph.model.graph.node.find(({ name }) => name === 'dw')!;
  expect(dw.attribute.find(({ name }) => name === 'group')?.i).toBe(3);
});

it('grouped convolutions behind a residual: the sum loses the same channels of every group', async () => {
  const graph = await expectGroups(
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 8);
      const first = plain(b, 'first', x, [8, 4], 2, 3);
      const sum = b.node('Add', [first, x]);
      lastConv(b, plain(b, 'second', sum, [8, 2], 4), 8);
    },
    // 2 groups of 4 and 4 groups of 2 of the same 8 channels: 2 x 2 x 2, of which the innermost 2 are offered.
    ['conv1 out 8, first out 8, first in 4, second in 2', 'second out 8, last in 8'],
  );
  expect(graph.channelsOf('conv1', 'out')).toBe(4);
});

it('split and concatenation as in YOLO C2f: every part is a group of its own, the last two are coupled', async () => {
  await expectGroups(
    (b) => {
      const cv1 = b.node('Relu', [conv(b, 'cv1', image(b), 3, 8)]);
      const [a, c] = b.nodeOutputs('Split', [cv1, b.ints('sizes', [4, 4])], { axis: 1 }, { outputs: 2 });
      // A bottleneck with a shortcut, fed by the second half.
      const inner = b.node('Relu', [conv(b, 'm.cv1', c, 4, 4)]);
      const sum = b.node('Add', [c, conv(b, 'm.cv2', inner, 4, 4)]);
      lastConv(b, b.node('Concat', [a, c, sum], { axis: 1 }), 12);
    },
    [
      'cv1 out 4, last in 4',
      // The second half, the bottleneck's output and two parts of the concatenation.
      'cv1 out 4, m.cv1 in 4, m.cv2 out 4, last in 8',
      'm.cv1 out 4, m.cv2 in 4',
    ],
  );
});

it('PixelShuffle, in both orders of channels: whole blocks of places go', async () => {
  const shuffled =
    (mode: string): Build =>
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 24);
      lastConv(b, b.node('DepthToSpace', [x], { blocksize: 2, mode }), 6);
    };
  // 24 channels are 6 channels of 2 x 2 places.
  for (const mode of ['DCR', 'CRD']) await expectGroups(shuffled(mode), ['conv1 out 24, last in 6']);
});

it('PixelShuffle as Reshape, Transpose, Reshape', async () => {
  await expectGroups(
    (b) => {
      const x = conv(b, 'conv1', image(b, 2), 3, 24);
      const spread = b.node('Reshape', [x, b.ints('spread', [2, 6, 2, 2, 4, 4])]);
      const turned = b.node('Transpose', [spread], { perm: [0, 1, 4, 2, 5, 3] });
      lastConv(b, b.node('Reshape', [turned, b.ints('together', [2, 6, 8, 8])]), 6);
    },
    ['conv1 out 24, last in 6'],
  );
});

it('channel shuffle between grouped convolutions', async () => {
  await expectGroups(
    (b) => {
      const x = plain(b, 'first', conv(b, 'conv1', image(b, 2), 3, 8), [8, 4], 2);
      const spread = b.node('Reshape', [x, b.ints('spread', [2, 2, 4, 4, 4])]);
      const turned = b.node('Transpose', [spread], { perm: [0, 2, 1, 3, 4] });
      const shuffled = b.node('Reshape', [turned, b.ints('together', [2, 8, 4, 4])]);
      lastConv(b, plain(b, 'second', shuffled, [8, 2], 4), 8);
    },
    // first: 2 groups of 4; the shuffle makes that 4 x 2, which second reads as 4 groups of 2. So the groups of first are
    // the channels of second, and the channels of first are the groups of second.
    [
      'conv1 out 8, first in 4',
      'conv1 out 8, first out 8, second in 2',
      'first out 8, second out 8, last in 8',
      'second out 8, last in 8',
    ],
  );
});

it('flatten to Gemm behind a pool: a channel has a column for every place', async () => {
  await expectGroups(
    (b) => {
      const pooled = b.node('MaxPool', [conv(b, 'conv1', image(b), 3, 6)], { kernel_shape: [2, 2], strides: [2, 2] });
      lastLinear(b, b.node('Flatten', [pooled]), 24);
    },
    ['conv1 out 6, last in 24'],
  );
});

it('a Gemm shared by two branches couples the branches, at its inputs and at its outputs', async () => {
  await expectGroups(
    (b) => {
      const x = b.input('x', ['batch', 3]);
      const weight = parameter(b, 'shared.weight', [6, 4]);
      const shared = (name: string, y: string): string => b.node('Gemm', [y, weight], { transB: 1 }, { name });
      const left = shared('left', linear(b, 'fc1', x, 3, 4));
      const right = shared('right', linear(b, 'fc2', x, 3, 4));
      b.output(linear(b, 'out1', left, 6, 2));
      b.output(linear(b, 'out2', right, 6, 2));
    },
    ['fc1 out 4, shared in 4, fc2 out 4, right in 4', 'shared out 6, right out 6, out1 in 6, out2 in 6'],
  );
});

it('a weight shared by two nodes in a row couples what comes before, between and after', async () => {
  await expectGroups(
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 6);
      const once = plain(b, 'shared', x, [6, 6], 1, 3);
      const twice = b.node('Conv', [once, 'shared.weight'], { pads: [1, 1, 1, 1] }, { name: 'again' });
      lastConv(b, twice, 6);
    },
    ['conv1 out 6, shared out 6, shared in 6, again out 6, again in 6, last in 6'],
  );
});

it('two inputs that are joined', async () => {
  await expectGroups(
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 4);
      const y = conv(b, 'conv2', b.input('y', ['batch', 2, 4, 4]), 2, 6);
      lastConv(b, b.node('Concat', [x, y], { axis: 1 }), 10);
    },
    ['conv1 out 4, last in 4', 'conv2 out 6, last in 6'],
  );
});

it('an input that is joined with an activation: its channels stay, the others are free', async () => {
  await expectGroups(
    (b) => lastConv(b, b.node('Concat', [image(b), conv(b, 'conv1', 'x', 3, 4)], { axis: 1 }), 7),
    ['conv1 out 4, last in 4'],
  );
});

it('nested residuals that end in a concatenation that ends in a residual', async () => {
  await expectGroups(
    (b) => {
      const stem = conv(b, 'stem', image(b), 3, 4);
      const inner = b.node('Add', [conv(b, 'a', stem, 4, 4), stem]);
      const outer = b.node('Add', [conv(b, 'b', inner, 4, 4), inner]);
      const side = conv(b, 'side', stem, 4, 6);
      const joined = b.node('Concat', [outer, side], { axis: 1 });
      lastConv(b, b.node('Add', [conv(b, 'c', joined, 10, 10), joined]), 10);
    },
    [
      'stem out 4, a out 4, a in 4, b out 4, b in 4, side in 4, c out 4, c in 4, last in 4',
      'side out 6, c out 6, c in 6, last in 6',
    ],
  );
});

it('residuals across different cuts of the same channels', async () => {
  // 4 + 4 channels meet 6 + 2: pieces of 4, 2 and 2.
  await expectGroups(
    (b) => {
      const x = image(b);
      const left = b.node('Concat', [conv(b, 'a', x, 3, 4), conv(b, 'c', x, 3, 4)], { axis: 1 });
      const right = b.node('Concat', [conv(b, 'd', x, 3, 6), conv(b, 'e', x, 3, 2)], { axis: 1 });
      lastConv(b, b.node('Add', [left, right]), 8);
    },
    ['a out 4, d out 4, last in 4', 'c out 2, d out 2, last in 2', 'c out 2, e out 2, last in 2'],
  );
});

it('squeeze and excite: the gate goes with the channels, its bottleneck is free', async () => {
  await expectGroups(
    (b) => {
      const x = conv(b, 'conv1', image(b), 3, 8);
      const squeezed = b.node('Relu', [conv(b, 'se.reduce', b.node('GlobalAveragePool', [x]), 8, 2)]);
      const gate = b.node('Sigmoid', [conv(b, 'se.expand', squeezed, 2, 8)]);
      lastConv(b, b.node('Mul', [x, gate]), 8);
    },
    ['conv1 out 8, se.reduce in 8, se.expand out 8, last in 8', 'se.reduce out 2, se.expand in 2'],
  );
});

describe('equal vectors that the exporter stored once', () => {
  const name = 'resnet-basic-fresh-kept-11';

  it('are separate again where layers of different groups use them: the groups are those of any ResNet-18', async () => {
    const graph = new DependencyGraph().buildDependency(await loadSkeleton(name));
    const groups = [...graph.getAllGroups({ ignoredLayers: ['fc'] })];
    // Eight blocks have a group each between their convolutions; every stage has one along its shortcuts.
    expect(groups).toHaveLength(12);
    const stage1 = groups.find((group) => group.items.some(({ axis }) => axis.layer.name === 'conv1'))!;
    const outputs = stage1.items.filter(({ axis }) => axis.side === 'out').map(({ axis }) => axis.layer.name);
    expect(outputs.filter((layer) => layer.includes('conv')).sort()).toEqual([
      'conv1',
      'layer1.0.conv2',
      'layer1.1.conv2',
    ]);
  });

  it('are pruned for the layers that need it and no others', async () => {
    const model = await loadSkeleton(name);
    const graph = new DependencyGraph().buildDependency(model);
    graph.getPruningGroup('layer1.0.conv1', pruneConvOutChannels, [0, 3]).prune();
    expect(await verify(await loadSkeleton(name), model, createPlan(graph))).toMatchObject({ ok: true });
  });
});
