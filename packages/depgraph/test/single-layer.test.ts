/** Pruning one layer alone, and saying which neighbours no longer fit and how to mend them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  attrInt,
  DataType,
  GraphBuilder,
  type Model,
  parseModel,
  readNumbers,
  tensorBytes,
  tensorDims,
} from '@onnx-pruning/onnx';
import {
  DependencyGraph,
  findBrokenNodes,
  LayerError,
  pruneBatchnormInChannels,
  pruneBatchnormOutChannels,
  pruneConvInChannels,
  pruneConvOutChannels,
  pruneConvTransposeInChannels,
  pruneConvTransposeOutChannels,
  pruneDepthwiseConvInChannels,
  pruneDepthwiseConvOutChannels,
  pruneEmbeddingInChannels,
  pruneEmbeddingOutChannels,
  pruneGroupnormInChannels,
  pruneGroupnormOutChannels,
  pruneGruInChannels,
  pruneGruOutChannels,
  pruneInstancenormInChannels,
  pruneInstancenormOutChannels,
  pruneLayernormInChannels,
  pruneLayernormOutChannels,
  pruneLinearInChannels,
  pruneLinearOutChannels,
  pruneLstmInChannels,
  pruneLstmOutChannels,
  pruneParameterInChannels,
  pruneParameterOutChannels,
  prunePreluInChannels,
  prunePreluOutChannels,
  pruneRnnInChannels,
  pruneRnnOutChannels,
  pruningFunctions,
} from '../src/index.ts';

const counted = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i);
const dimsOf = (model: Model, name: string): number[] =>
  tensorDims(model.graph.initializer.find((tensor) => tensor.name === name)!);

/** One layer of every kind, on inputs of their own. */
function allKinds(): Model {
  const b = new GraphBuilder({ opset: 21 });
  const image = b.input('image', ['batch', 6, 4, 4]);
  const rows = b.input('rows', ['batch', 5, 6]);
  const p = (name: string, dims: number[]): string => b.initializer(name, dims, counted);
  const layer = (op: string, inputs: string[], attributes: Record<string, number | number[]> = {}): void => {
    b.output(b.node(op, inputs, attributes));
  };
  layer('Conv', [image, p('conv.weight', [8, 6, 1, 1]), p('conv.bias', [8])]);
  layer('Conv', [image, p('dw.weight', [6, 1, 3, 3]), p('dw.bias', [6])], { group: 6 });
  layer('ConvTranspose', [image, p('up.weight', [6, 4, 2, 2]), p('up.bias', [4])]);
  layer('Gemm', [b.input('flat', ['batch', 6]), p('fc.weight', [8, 6]), p('fc.bias', [8])], { transB: 1 });
  layer('BatchNormalization', [image, ...['weight', 'bias', 'mean', 'var'].map((part) => p(`bn.${part}`, [6]))]);
  layer('PRelu', [image, p('prelu.weight', [6, 1, 1])]);
  layer('LayerNormalization', [rows, p('ln.weight', [6]), p('ln.bias', [6])]);
  layer('GroupNormalization', [image, p('gn.weight', [6]), p('gn.bias', [6])], { num_groups: 2 });
  layer('InstanceNormalization', [image, p('in.weight', [6]), p('in.bias', [6])]);
  layer('Gather', [p('table.weight', [10, 6]), b.input('ids', ['batch', 3], DataType.INT64)]);
  layer('Add', [rows, p('shift.bias', [6])]);
  layer('LSTM', [rows, p('lstm.weight', [1, 12, 6]), p('lstm.recurrent', [1, 12, 3]), p('lstm.bias', [1, 24])], {
    hidden_size: 3,
  });
  layer('GRU', [rows, p('gru.weight', [1, 9, 6]), p('gru.recurrent', [1, 9, 3]), p('gru.bias', [1, 18])], {
    hidden_size: 3,
  });
  layer('RNN', [rows, p('rnn.weight', [1, 3, 6]), p('rnn.recurrent', [1, 3, 3]), p('rnn.bias', [1, 6])], {
    hidden_size: 3,
  });
  return b.build();
}

describe('every kind of layer', () => {
  it.each([
    [pruneConvOutChannels, 'conv', { 'conv.weight': [6, 6, 1, 1], 'conv.bias': [6] }],
    [pruneConvInChannels, 'conv', { 'conv.weight': [8, 4, 1, 1], 'conv.bias': [8] }],
    [pruneDepthwiseConvOutChannels, 'dw', { 'dw.weight': [4, 1, 3, 3], 'dw.bias': [4] }],
    [pruneConvTransposeOutChannels, 'up', { 'up.weight': [6, 2, 2, 2], 'up.bias': [2] }],
    [pruneConvTransposeInChannels, 'up', { 'up.weight': [4, 4, 2, 2], 'up.bias': [4] }],
    [pruneLinearOutChannels, 'fc', { 'fc.weight': [6, 6], 'fc.bias': [6] }],
    [pruneLinearInChannels, 'fc', { 'fc.weight': [8, 4], 'fc.bias': [8] }],
    [pruneBatchnormOutChannels, 'bn', { 'bn.weight': [4], 'bn.bias': [4], 'bn.mean': [4], 'bn.var': [4] }],
    [prunePreluOutChannels, 'prelu', { 'prelu.weight': [4, 1, 1] }],
    [pruneLayernormOutChannels, 'ln', { 'ln.weight': [4], 'ln.bias': [4] }],
    [pruneInstancenormOutChannels, 'in', { 'in.weight': [4], 'in.bias': [4] }],
    [pruneEmbeddingOutChannels, 'table', { 'table.weight': [10, 4] }],
    [pruneParameterOutChannels, 'shift', { 'shift.bias': [4] }],
    [pruneGruInChannels, 'gru', { 'gru.weight': [1, 9, 4], 'gru.recurrent': [1, 9, 3] }],
    [pruneRnnInChannels, 'rnn', { 'rnn.weight': [1, 3, 4], 'rnn.recurrent': [1, 3, 3] }],
    [pruneLstmInChannels, 'lstm', { 'lstm.weight': [1, 12, 4], 'lstm.recurrent': [1, 12, 3] }],
  ] as const)('%p of %s removes channels 0 and 3 of its own parameters', (fn, name, shapes) => {
    const model = allKinds();
    fn(model.layer(name), [0, 3]);
    for (const [tensor, dims] of Object.entries(shapes))
      expect([tensor, dimsOf(model, tensor)]).toEqual([tensor, dims]);
  });

  it.each([
    [pruneLstmOutChannels, 'lstm', 4],
    [pruneGruOutChannels, 'gru', 3],
    [pruneRnnOutChannels, 'rnn', 1],
  ] as const)(
    '%p: hidden units of %s go from every one of its %d gates, and its hidden_size follows',
    (fn, name, gates) => {
      const model = allKinds();
      // Index 1 is unit 1 of the first gate: a unit is meant as a whole.
      fn(model.layer(name), [1]);
      expect(dimsOf(model, `${name}.weight`)).toEqual([1, 2 * gates, 6]);
      expect(dimsOf(model, `${name}.recurrent`)).toEqual([1, 2 * gates, 2]);
      expect(dimsOf(model, `${name}.bias`)).toEqual([1, 4 * gates]);
      expect(attrInt(model.layer(name).node, 'hidden_size')).toBe(2);
    },
  );

  it('one recurrent cell is not pruned by the function of another', () => {
    const model = allKinds();
    expect(() => pruneLstmOutChannels(model.layer('gru'), [1])).toThrow(/is for layers of kind lstm.*found gru/);
    expect(() => pruneGruOutChannels(model.layer('rnn'), [1])).toThrow(/is for layers of kind gru.*found rnn/);
  });

  it('channels of a group normalization go from every group', () => {
    const model = allKinds();
    // Two groups of three channels: channel 0 takes channel 3 along.
    pruneGroupnormOutChannels(model.layer('gn'), [0]);
    expect(dimsOf(model, 'gn.weight')).toEqual([4]);
  });

  it('a depthwise convolution keeps one group per channel', () => {
    const model = allKinds();
    pruneDepthwiseConvOutChannels(model.layer('dw'), [0, 3]);
    expect(attrInt(model.layer('dw').node, 'group')).toBe(4);
  });

  it('the right elements stay', () => {
    const model = allKinds();
    pruneLinearInChannels(model.layer('fc'), [0, 3]);
    const weight = readNumbers(model.graph.initializer.find((tensor) => tensor.name === 'fc.weight')!);
    // Row 1 of the 8 x 6 matrix was 6..11; columns 0 and 3 are gone.
    expect([4, 5, 6, 7].map((i) => weight[i])).toEqual([7, 8, 10, 11]);
  });

  it('every function has a kind of layer and a side, and says its name', () => {
    for (const fn of pruningFunctions)
      expect(fn.name).toMatch(new RegExp(`^prune.*${fn.side === 'out' ? 'Out' : 'In'}Channels$`));
  });
});

describe('second names', () => {
  it('mean the same where inputs and outputs are the same channels', () => {
    expect(pruneBatchnormInChannels).toBe(pruneBatchnormOutChannels);
    expect(pruneDepthwiseConvInChannels).toBe(pruneDepthwiseConvOutChannels);
    expect(pruneLayernormInChannels).toBe(pruneLayernormOutChannels);
    expect(pruneGroupnormInChannels).toBe(pruneGroupnormOutChannels);
    expect(pruneInstancenormInChannels).toBe(pruneInstancenormOutChannels);
    expect(prunePreluInChannels).toBe(prunePreluOutChannels);
    expect(pruneEmbeddingInChannels).toBe(pruneEmbeddingOutChannels);
    expect(pruneParameterInChannels).toBe(pruneParameterOutChannels);
  });
});

describe('neighbours', () => {
  const load = (): Model =>
    parseModel(readFileSync(join(__dirname, '..', '..', '..', 'bench', 'reference', 'tiny-resnet.onnx')));

  it('fit in a model that was not pruned', () => {
    expect(findBrokenNodes(load())).toEqual([]);
  });

  it('that no longer fit are named with what is wrong and how to mend it, one mistake at a time', () => {
    const model = load();
    pruneConvOutChannels(model.layer('conv1'), [2, 6, 9]);
    expect(findBrokenNodes(model)).toEqual([
      {
        layer: 'bn1',
        operator: 'BatchNormalization',
        problem: 'expected axis 0 of scale of size 13, found 16',
        mend: "Prune 'bn1' alone by the same channels, or prune the whole group with DependencyGraph.getPruningGroup.",
      },
    ]);
    pruneBatchnormOutChannels(model.layer('bn1'), [2, 6, 9]);
    expect(findBrokenNodes(model).map(({ layer }) => layer)).toEqual(['layer1.0.conv1', '/layer1/layer1.0/Add']);
  });

  it('mended one by one give what the group gives', () => {
    const alone = load();
    const group = new DependencyGraph()
      .buildDependency(load())
      .getPruningGroup('conv1', pruneConvOutChannels, [2, 6, 9]);
    for (const { dep, idxs } of group) dep.handler(alone.layer(dep.target.name), [...idxs]);
    expect(findBrokenNodes(alone)).toEqual([]);
    const whole = load();
    new DependencyGraph().buildDependency(whole).getPruningGroup('conv1', pruneConvOutChannels, [2, 6, 9]).prune();
    const content = (model: Model): Record<string, string> =>
      Object.fromEntries(
        model.graph.initializer.map((t) => [t.name, `${tensorDims(t)} ${Buffer.from(tensorBytes(t)).toString('hex')}`]),
      );
    expect(content(alone)).toEqual(content(whole));
  });
});

describe('wrong requests', () => {
  it.each([
    [
      () => pruneLinearOutChannels(allKinds().layer('conv'), [0]),
      /for layers of kind linear.*expected linear, found conv/,
    ],
    [() => pruneConvOutChannels(allKinds().layer('conv'), [8]), /expected an integer from 0 to 7, found 8/],
    [() => pruneConvOutChannels(allKinds().layer('conv'), [1, 1]), /given twice.*found 1/],
    [() => pruneConvOutChannels(allKinds().layer('conv'), [0, 1, 2, 3, 4, 5, 6, 7]), /at least 1 channel/],
  ])('%#', (prune, message) => {
    expect(prune).toThrow(LayerError);
    expect(prune).toThrow(message);
  });

  it('leave the layer as it was', () => {
    const model = allKinds();
    expect(() => pruneConvOutChannels(model.layer('conv'), [0, 99])).toThrow(LayerError);
    expect(dimsOf(model, 'conv.weight')).toEqual([8, 6, 1, 1]);
  });
});
