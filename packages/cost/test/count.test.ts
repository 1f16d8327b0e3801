/** Costs by hand arithmetic, in both conventions. Parity with Torch-Pruning's recorded totals is tested in bench. */
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { noLayer, noOverhead, nothing, type OperatorRecord } from '@onnx-pruning/ops';
import { printCount } from '@onnx-pruning/report';
import { type CountOptions, countOpsAndParams } from '../src/index.ts';

const ones = (size: number): Float32Array => new Float32Array(size).fill(1);

/** 3 x 8 x 8 -> conv to 4 (3x3, padded, bias) -> BN -> ReLU -> max pool 2x2 -> global average pool -> linear to 5. */
function smallNetwork(batch: number | string): Model {
  const b = new GraphBuilder({ opset: 17 });
  b.input('x', [batch, 3, 8, 8]);
  b.initializer('conv.weight', [4, 3, 3, 3], ones);
  b.initializer('conv.bias', [4], ones);
  for (const name of ['weight', 'bias', 'mean', 'var']) b.initializer(`bn.${name}`, [4], ones);
  b.initializer('fc.weight', [5, 4], ones);
  b.initializer('fc.bias', [5], ones);
  const conv = b.node('Conv', ['x', 'conv.weight', 'conv.bias'], { pads: [1, 1, 1, 1] }, { name: 'conv' });
  const bn = b.node('BatchNormalization', [conv, 'bn.weight', 'bn.bias', 'bn.mean', 'bn.var'], {}, { name: 'bn' });
  const relu = b.node('Relu', [bn], {}, { name: 'relu' });
  const pool = b.node('MaxPool', [relu], { kernel_shape: [2, 2], strides: [2, 2] }, { name: 'pool' });
  const average = b.node('GlobalAveragePool', [pool], {}, { name: 'average' });
  const flat = b.node('Flatten', [average], {}, { name: 'flatten' });
  b.output(b.node('Gemm', [flat, 'fc.weight', 'fc.bias'], { transB: 1 }, { name: 'fc' }));
  return b.build();
}

const costs = (model: Model, options: CountOptions = {}): (string | number)[][] =>
  countOpsAndParams(model, { ...options, layerWise: true }).layers.map(({ name, macs, params }) => [
    name,
    macs,
    params,
  ]);

describe('countOpsAndParams', () => {
  it('counts convolutions and matrix products: output positions times weight elements', () => {
    expect(countOpsAndParams(smallNetwork('batch'))).toEqual({
      macs: 8 * 8 * (4 * 3 * 3 * 3) + 5 * 4,
      params: 4 * 3 * 3 * 3 + 4 + (4 + 4) + (5 * 4 + 5),
    });
  });

  it('lists layers when asked to', () => {
    expect(costs(smallNetwork('batch'))).toEqual([
      ['conv', 6912, 112],
      ['bn', 0, 8],
      ['fc', 20, 25],
    ]);
    expect(countOpsAndParams(smallNetwork('batch'))).not.toHaveProperty('layers');
  });

  it("counts biases, normalization, activations and pooling in Torch-Pruning's convention", () => {
    expect(costs(smallNetwork('batch'), { convention: 'torch-pruning' })).toEqual([
      ['conv', 6912 + 4 * 8 * 8, 112],
      ['bn', 2 * 4 * 8 * 8, 8],
      ['relu', 4 * 8 * 8, 0],
      ['pool', 4 * 8 * 8, 0],
      ['average', 4 * 4 * 4, 0],
      ['fc', 20 + 5, 25],
    ]);
  });

  it("counts a whole batch, but per sample in Torch-Pruning's convention, where a linear bias is charged once", () => {
    expect(countOpsAndParams(smallNetwork(10)).macs).toBe(10 * 6932);
    const convention = 'torch-pruning';
    const one = countOpsAndParams(smallNetwork('batch'), { convention }).macs;
    expect(one).toBe(6912 + 256 + 512 + 256 + 256 + 64 + 25);
    expect(countOpsAndParams(smallNetwork(10), { convention }).macs).toBe(one - 5 + 5 / 10);
    expect(countOpsAndParams(smallNetwork('batch'), { convention, inputShapes: { batch: 10 } }).macs).toBe(one - 4.5);
  });

  it('counts the bias of a linear layer over tokens once, and no product of two activations', () => {
    const b = new GraphBuilder({ opset: 17 });
    b.input('x', ['batch', 7, 6]);
    b.initializer('fc.weight', [6, 5], ones);
    b.initializer('fc.bias', [5], ones);
    b.initializer('shift', [5], ones);
    const product = b.node('MatMul', ['x', 'fc.weight'], {}, { name: 'fc' });
    const sum = b.node('Add', ['fc.bias', product], {}, { name: 'bias' });
    const shifted = b.node('Add', [sum, 'shift'], {}, { name: 'shifted' });
    const turned = b.node('Transpose', [shifted], { perm: [0, 2, 1] }, { name: 'turned' });
    b.output(b.node('MatMul', [shifted, turned], {}, { name: 'scores' }));
    const model = b.build();
    expect(costs(model).map(([name, macs]) => [name, macs])).toContainEqual(['scores', 7 * 7 * 5]);
    expect(costs(model, { convention: 'torch-pruning' })).toEqual([
      ['fc', 7 * 6 * 5, 30],
      ['bias', 5, 5],
      ['shifted', 0, 5],
    ]);
  });

  it('counts Clip where it is ReLU6', () => {
    const clip = (low: number, high: number): number => {
      const b = new GraphBuilder({ opset: 13 });
      b.input('x', ['batch', 3, 2, 2]);
      b.initializer('low', [], [low]);
      b.initializer('high', [], [high]);
      b.output(b.node('Clip', ['x', 'low', 'high']));
      return countOpsAndParams(b.build(), { convention: 'torch-pruning' }).macs;
    };
    expect([clip(0, 6), clip(-1, 1)]).toEqual([12, 0]);
  });

  it('counts a layer of one channel, and no other single numbers', () => {
    const b = new GraphBuilder({ opset: 13 });
    b.input('x', ['batch', 2, 4, 4]);
    b.initializer('conv.weight', [1, 2, 1, 1], ones);
    b.initializer('conv.bias', [1], ones);
    b.initializer('half', [], [0.5]);
    b.output(b.node('Mul', [b.node('Conv', ['x', 'conv.weight', 'conv.bias']), 'half']));
    expect(countOpsAndParams(b.build()).params).toBe(2 + 1);
  });

  it('counts what customized records say', () => {
    const b = new GraphBuilder({ opset: 13, opsets: { 'com.acme': 1 } });
    b.input('x', ['batch', 3, 4, 4]);
    b.output(b.node('Blur', ['x'], {}, { domain: 'com.acme' }));
    const blur: OperatorRecord = {
      domain: 'com.acme',
      opType: 'Blur',
      opsets: [1, 1],
      infer: ({ inputs }) => [inputs[0]!],
      equations: nothing,
      resize: nothing,
      macs: (ctx) => ctx.outDims(0).reduce((n, size) => n * size, 9),
      overhead: noOverhead,
      layer: noLayer,
    };
    expect(countOpsAndParams(b.build()).macs).toBe(0);
    expect(countOpsAndParams(b.build(), { customizedOperators: [blur] }).macs).toBe(9 * 3 * 4 * 4);
  });

  it('names a convention that does not exist', () => {
    const convention = 'flops' as 'torch-pruning';
    expect(() => countOpsAndParams(smallNetwork(1), { convention })).toThrow(
      "there is no such way to count operations: expected 'conv-linear' or 'torch-pruning', found 'flops'",
    );
  });

  it('names the size that is missing', () => {
    const b = new GraphBuilder({ opset: 13 });
    b.input('x', ['batch', 3, 'height', 4]);
    b.initializer('weight', [2, 3, 1, 1], ones);
    b.output(b.node('Conv', ['x', 'weight']));
    const model = b.build();
    expect(() => countOpsAndParams(model)).toThrow(/Give inputShapes/);
    expect(countOpsAndParams(model, { inputShapes: { height: 5 } }).macs).toBe(5 * 4 * 6);
  });
});

describe('printCount', () => {
  it('shows what is left of every layer and of all', () => {
    const before = countOpsAndParams(smallNetwork('batch'), { layerWise: true });
    const layers = [
      { name: 'conv', operator: 'Conv', macs: 3456, params: 56 },
      { name: 'bn', operator: 'BatchNormalization', macs: 0, params: 4 },
      { name: 'extra', operator: 'Gemm', macs: 1000, params: 1 },
    ];
    expect(`\n${printCount(before, { macs: 4456, params: 61, layers })}`).toBe(`
layer  operator             MACs  after    left  params  after    left
----------------------------------------------------------------------
conv   Conv                6,912  3,456  50.0 %     112     56  50.0 %
bn     BatchNormalization      0      0               8      4  50.0 %
fc     Gemm                   20      -              25      -
extra  Gemm                    -  1,000               -      1
----------------------------------------------------------------------
total                      6,932  4,456  64.3 %     145     61  42.1 %`);
  });
});
