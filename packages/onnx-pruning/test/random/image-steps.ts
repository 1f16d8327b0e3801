/**
 * Steps of random graphs that take images [N, C, H, W]: what convolutional networks are made of, and the view changes
 * between their layers. A step adds values to the pool, or nothing where no value suits it.
 */
import { type Choices, type RandomGraph, SIZE, type Value } from './random-graph.ts';

export type Step = (g: RandomGraph, c: Choices) => void;

const images = (g: RandomGraph): Value[] => g.pool.filter(({ dims }) => dims.length === 4);
const sameSize = (a: Value, b: Value): boolean => a.dims.join() === b.dims.join();
const divisors = (n: number): number[] => [2, 3, 4, 6, 8].filter((d) => n % d === 0 && d < n);

export interface ConvShape {
  readonly out: number;
  readonly kernel?: number;
  readonly group?: number;
  readonly stride?: number;
  readonly bias?: boolean;
}

export function conv(g: RandomGraph, x: Value, shape: ConvShape): Value {
  const { out, kernel = 1, group = 1, stride = 1, bias = true } = shape;
  const name = g.fresh('conv');
  const inner = x.dims[1]! / group;
  const inputs = [x.name, g.parameter(`${name}.weight`, [out, inner, kernel, kernel], inner * kernel * kernel)];
  if (bias) inputs.push(g.parameter(`${name}.bias`, [out]));
  const pad = Math.floor(kernel / 2);
  const attributes = { group, pads: [pad, pad, pad, pad], strides: [stride, stride] };
  const y = g.node('Conv', inputs, attributes, { name });
  const [n, , h, w] = x.dims as [number, number, number, number];
  const slide = (size: number): number => Math.floor((size - 1) / stride) + 1;
  return { name: y, dims: [n, out, slide(h), slide(w)] };
}

function someImage(g: RandomGraph, c: Choices): Value | undefined {
  const all = images(g);
  // Late values more often, so that graphs grow deep as well as wide.
  return all.length === 0 ? undefined : c.of([...all, ...all.slice(-3), ...all.slice(-1)]);
}

/** Makes a step of a function that has an image. */
const onImage =
  (make: (g: RandomGraph, x: Value, c: Choices) => Value | undefined): Step =>
  (g, c) => {
    const x = someImage(g, c);
    const y = x && make(g, x, c);
    if (y) g.add(y.name, y.dims);
  };

const unary = (opType: string): Step => onImage((g, x) => ({ name: g.node(opType, [x.name]), dims: x.dims }));

const convStep = onImage((g, x, c) => {
  const stride = x.dims[2]! >= 4 && c.once(5) ? 2 : 1;
  return conv(g, x, { out: c.of([4, 6, 8, 12, 5]), kernel: c.of([1, 3]), stride, bias: c.int(3) > 0 });
});

const groupedConv = onImage((g, x, c) => {
  const group = c.of(divisors(x.dims[1]!));
  if (!group) return undefined;
  return conv(g, x, { out: group * c.of([1, 2, 3]), group, kernel: c.of([1, 3]), bias: c.int(2) > 0 });
});

const depthwise = onImage((g, x, c) => {
  const group = x.dims[1]!;
  return group > 1 ? conv(g, x, { out: group * c.of([1, 1, 2]), group, kernel: 3, bias: c.int(2) > 0 }) : undefined;
});

const convTranspose = onImage((g, x, c) => {
  if (x.dims[2]! > SIZE) return undefined;
  const [n, inner, h, w] = x.dims as [number, number, number, number];
  const group = c.int(2) > 0 ? 1 : (c.of([...divisors(inner), inner]) ?? 1);
  const outer = c.of([1, 2, 3]) * (group === 1 ? 2 : 1);
  const name = g.fresh('deconv');
  const inputs = [x.name, g.parameter(`${name}.weight`, [inner, outer, 2, 2], inner / group)];
  if (c.int(2) > 0) inputs.push(g.parameter(`${name}.bias`, [outer * group]));
  const y = g.node('ConvTranspose', inputs, { group, strides: [2, 2], kernel_shape: [2, 2] }, { name });
  return { name: y, dims: [n, outer * group, h * 2, w * 2] };
});

const batchNorm = onImage((g, x, c) => {
  const name = g.fresh('bn');
  const parameters = ['weight', 'bias', 'running_mean', 'running_var'];
  const inputs = parameters.map((role) => g.positiveVector(`${name}.${role}`, x.dims[1]!, c.once(3)));
  return { name: g.node('BatchNormalization', [x.name, ...inputs], {}, { name }), dims: x.dims };
});

const prelu = onImage((g, x, c) => {
  const name = g.fresh('prelu');
  const slope = g.parameter(`${name}.weight`, c.of([[x.dims[1]!, 1, 1], [1], [1, 1, 1]]));
  return { name: g.node('PRelu', [x.name, slope], {}, { name }), dims: x.dims };
});

const scale = onImage((g, x, c) => {
  const name = g.fresh('scale');
  const parameter = g.parameter(`${name}.weight`, c.of([[1, x.dims[1]!, 1, 1], [x.dims[1]!, 1, 1], [1]]));
  return { name: g.node(c.of(['Mul', 'Add', 'Sub']), [x.name, parameter], {}, { name }), dims: x.dims };
});

/** Adds two values of one size; a convolution makes the sizes equal where there is no other. */
const residual = onImage((g, x, c) => {
  const others = images(g).filter((y) => y !== x && sameSize(x, y));
  const y = others.length > 0 && c.int(4) > 0 ? c.of(others) : conv(g, x, { out: x.dims[1]!, kernel: 3 });
  const opType = c.of(['Add', 'Add', 'Mul', 'Sub', 'Max']);
  return { name: g.node(opType, c.int(2) ? [x.name, y.name] : [y.name, x.name]), dims: x.dims };
});

const concat = onImage((g, x, c) => {
  const fits = (y: Value): boolean => y.dims[2] === x.dims[2] && y.dims[3] === x.dims[3];
  const parts = c.once(6) ? [x, x] : [x, ...c.some(images(g).filter(fits)).slice(0, 3)];
  const channels = parts.reduce((sum, { dims }) => sum + dims[1]!, 0);
  if (channels > 40) return undefined;
  const inputs = parts.map(({ name }) => name);
  return { name: g.node('Concat', inputs, { axis: c.of([1, -3]) }), dims: x.dims.with(1, channels) };
});

const split: Step = (g, c) => {
  const x = someImage(g, c);
  if (!x || x.dims[1]! < 4) return;
  const channels = x.dims[1]!;
  const first = c.of([Math.floor(channels / 2), 1, 3]);
  const sizes = channels % 3 === 0 && c.once(3) ? [0, 0, 0].fill(channels / 3) : [first, channels - first];
  const outputs = splitNode(g, x.name, sizes, c);
  sizes.forEach((size, i) => {
    g.add(outputs[i]!, x.dims.with(1, size));
  });
};

function splitNode(g: RandomGraph, x: string, sizes: readonly number[], c: Choices): string[] {
  const equal = sizes.every((size) => size === sizes[0]);
  const outputs = sizes.length;
  if (g.opset < 13)
    return g.nodes('Split', [x], equal && c.int(2) ? { axis: 1 } : { axis: 1, split: sizes }, { outputs });
  if (equal && c.int(2)) {
    return g.nodes('Split', [x], g.opset < 18 ? { axis: 1 } : { axis: 1, num_outputs: outputs }, { outputs });
  }
  return g.nodes('Split', [x, g.ints(sizes)], { axis: 1 }, { outputs });
}

const slice = onImage((g, x, c) => {
  const channels = x.dims[1]!;
  const [start, end, step] = c.of([
    [1, channels, 1],
    [0, Math.ceil(channels / 2), 1],
    [-3, 2 ** 31 - 1, 1],
    [0, channels, 2],
    [1, 2 ** 31 - 1, 2],
    [-1, -channels - 1, -1],
  ]) as [number, number, number];
  const first = start < 0 ? Math.max(0, channels + start) : start;
  const size = step < 0 ? channels : Math.ceil((Math.min(end, channels) - first) / step);
  if (size < 1) return undefined;
  const inputs = [[start], [end], [1], [step]].map((values) => g.ints(values));
  return { name: g.node('Slice', [x.name, ...inputs]), dims: x.dims.with(1, size) };
});

const gather = onImage((g, x, c) => {
  const channels = x.dims[1]!;
  const indices = Array.from({ length: c.of([channels, 3, 4]) }, (_, i) => c.of([i % channels, c.int(channels)]));
  return { name: g.node('Gather', [x.name, g.ints(indices)], { axis: 1 }), dims: x.dims.with(1, indices.length) };
});

const pooledDims = (x: Value): number[] => [x.dims[0]!, x.dims[1]!, 1, 1];

const squeezeExcite = onImage((g, x, c) => {
  const pooled = { name: g.node('GlobalAveragePool', [x.name]), dims: pooledDims(x) };
  const squeezed = conv(g, pooled, { out: c.of([2, 4]) });
  const relu = { name: g.node('Relu', [squeezed.name]), dims: squeezed.dims };
  const gate = g.node(c.of(['Sigmoid', 'HardSigmoid']), [conv(g, relu, { out: x.dims[1]! }).name]);
  return { name: g.node('Mul', c.int(2) ? [x.name, gate] : [gate, x.name]), dims: x.dims };
});

const channelShuffle = onImage((g, x, c) => {
  const channels = x.dims[1]!;
  const groups = c.of(divisors(channels));
  if (!groups) return undefined;
  const computed = c.once(3);
  const spread = g.reshape(x, [{ axis: 0 }, groups, channels / groups, { axis: 2 }, { axis: 3 }], computed);
  const shuffled = g.node('Transpose', [spread.name], { perm: [0, 2, 1, 3, 4] });
  const y = { name: shuffled, dims: [x.dims[0]!, channels / groups, groups, x.dims[2]!, x.dims[3]!] };
  return g.reshape(y, [{ axis: 0 }, channels, { axis: 3 }, { axis: 4 }], computed);
});

const pixelShuffle = onImage((g, x, c) => {
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  if (channels % 4 !== 0 || h > SIZE) return undefined;
  const attributes = { blocksize: 2, mode: c.of(['DCR', 'CRD']) };
  return { name: g.node('DepthToSpace', [x.name], attributes), dims: [n, channels / 4, h * 2, w * 2] };
});

const spaceToDepth = onImage((g, x) => {
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  if (channels > 8 || h % 2 !== 0) return undefined;
  return { name: g.node('SpaceToDepth', [x.name], { blocksize: 2 }), dims: [n, channels * 4, h / 2, w / 2] };
});

const pad = onImage((g, x, c) => {
  const [before, after] = c.of([
    [2, 2],
    [0, 3],
    [-1, 1],
  ]) as [number, number];
  if (x.dims[1]! < 3) return undefined;
  const pads = [0, before, 0, 0, 0, after, 0, 0];
  const inputs = g.opset < 11 ? [x.name] : [x.name, g.ints(pads)];
  const name = g.node('Pad', inputs, g.opset < 11 ? { pads } : {});
  return { name, dims: x.dims.with(1, x.dims[1]! + before + after) };
});

/** One number per place, multiplied into an image: couples nothing. */
const mask = onImage((g, x, c) => {
  const opType = c.of(['ReduceMean', 'ReduceMax', 'ReduceL2']);
  const reduced = c.int(2) ? conv(g, x, { out: 1 }).name : g.withAxes(opType, x.name, [1], 18, { keepdims: 1 });
  return { name: g.node('Mul', [x.name, g.node('Sigmoid', [reduced])]), dims: x.dims };
});

/** The weight of an earlier convolution, used again. */
const sharedWeight = onImage((g, x, c) => {
  const first = conv(g, x, { out: x.dims[1]!, kernel: 3, bias: c.int(2) > 0 });
  const { input, attribute } = g.builder.graph().node.at(-1)!;
  const relu = g.node('Relu', [first.name]);
  const again = g.node('Conv', [relu, ...input.slice(1)], {}, { name: g.fresh('conv') });
  g.builder.graph().node.at(-1)!.attribute = [...attribute];
  return { name: again, dims: x.dims };
});

const maxPool = onImage((g, x, c) => {
  const opType = c.of(['MaxPool', 'AveragePool']);
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] };
  return { name: g.node(opType, [x.name], attributes), dims: x.dims };
});

const softmax = onImage((g, x) => ({ name: g.node('Softmax', [x.name], { axis: 1 }), dims: x.dims }));

const instanceNorm = onImage((g, x) => {
  const name = g.fresh('norm');
  const inputs = [g.positive(`${name}.weight`, [x.dims[1]!]), g.parameter(`${name}.bias`, [x.dims[1]!])];
  return { name: g.node('InstanceNormalization', [x.name, ...inputs], {}, { name }), dims: x.dims };
});

const groupNorm = onImage((g, x, c) => {
  const channels = x.dims[1]!;
  if (g.opset < 18) return undefined;
  const name = g.fresh('norm');
  const groups = c.of([1, ...divisors(channels), channels]);
  const dims = [g.opset < 21 ? groups : channels];
  const inputs = [g.positive(`${name}.weight`, dims), g.parameter(`${name}.bias`, dims)];
  return { name: g.node('GroupNormalization', [x.name, ...inputs], { num_groups: groups }, { name }), dims: x.dims };
});

const tile = onImage((g, x, c) => {
  if (x.dims[1]! > 8) return undefined;
  const times = c.of([2, 3]);
  return { name: g.node('Tile', [x.name, g.ints([1, times, 1, 1])]), dims: x.dims.with(1, x.dims[1]! * times) };
});

/** Leaves the images: to a matrix by pooling or by flattening. */
const toMatrix: Step = (g, c) => {
  const x = someImage(g, c);
  if (!x) return;
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  if (g.dynamic === 'spatial' || c.int(2)) {
    const pooled = g.node('GlobalAveragePool', [x.name]);
    g.add(g.withAxes('Squeeze', pooled, [2, 3], 13), [n, channels]);
  } else {
    g.add(g.node('Flatten', [x.name]), [n, channels * h * w]);
  }
};

/** Leaves the images: to a sequence of places [N, H * W, C]. */
const toSequence: Step = (g, c) => {
  const x = someImage(g, c);
  if (!x) return;
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  const flat = g.reshape(x, [{ axis: 0 }, channels, g.dynamic === 'spatial' ? -1 : h * w], c.int(2) > 0);
  g.add(g.node('Transpose', [flat.name], { perm: [0, 2, 1] }), [n, h * w, channels]);
};

/** All steps on images; the common ones several times. */
export const imageSteps: readonly (readonly [string, Step])[] = [
  ...Array.from({ length: 4 }, () => ['conv', convStep] as const),
  ...Array.from({ length: 4 }, () => ['residual', residual] as const),
  ...Array.from({ length: 3 }, () => ['concat', concat] as const),
  ['concat', concat],
  ['grouped conv', groupedConv],
  ['depthwise conv', depthwise],
  ['transposed conv', convTranspose],
  ['batch norm', batchNorm],
  ['batch norm', batchNorm],
  ['relu', unary('Relu')],
  ['sigmoid', unary('Sigmoid')],
  ['identity', unary('Identity')],
  ['dropout', unary('Dropout')],
  ['prelu', prelu],
  ['scale', scale],
  ['split', split],
  ['split', split],
  ['slice', slice],
  ['gather', gather],
  ['squeeze and excite', squeezeExcite],
  ['channel shuffle', channelShuffle],
  ['channel shuffle', channelShuffle],
  ['pixel shuffle', pixelShuffle],
  ['space to depth', spaceToDepth],
  ['pad', pad],
  ['mask', mask],
  ['shared weight', sharedWeight],
  ['pool', maxPool],
  ['softmax', softmax],
  ['instance norm', instanceNorm],
  ['group norm', groupNorm],
  ['tile', tile],
  ['to matrix', toMatrix],
  ['to matrix', toMatrix],
  ['to sequence', toSequence],
];
