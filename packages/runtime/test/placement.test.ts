import { DataType } from '@onnx-pruning/onnx';
import { makeValue, type NodePlacement, withSession, workOnCpu } from '../src/index.ts';
import { assertOnDevice, placementOf } from '../src/placement.ts';
import { chainModel } from './models.ts';

const x = makeValue(DataType.FLOAT, [2, 3], [1, 2, 3, 4, 5, 6]);

describe('Session.placement', () => {
  it('says where onnxruntime ran each node, and what came out', async () => {
    const model = chainModel();
    model.graph.output.push({ name: 'shape' });
    const placement = await withSession(model, { graphOptimization: 'disabled' }, (session) =>
      session.placement({ x }),
    );
    const found = placement.map(({ operator, provider, outputs }) => [operator, provider, outputs]).sort();
    expect(found).toEqual([
      ['Add', 'CPUExecutionProvider', [{ type: 'float', dims: [2, 3] }]],
      ['Mul', 'CPUExecutionProvider', [{ type: 'float', dims: [2, 3] }]],
      ['Shape', 'CPUExecutionProvider', [{ type: 'int64', dims: [2] }]],
    ]);
  });

  it('tells work from the computation of sizes', async () => {
    const model = chainModel();
    model.graph.output.push({ name: 'shape' });
    const placement = await withSession(model, { graphOptimization: 'disabled' }, (session) =>
      session.placement({ x }),
    );
    expect(
      workOnCpu(placement)
        .map((node) => node.operator)
        .sort(),
    ).toEqual(['Add', 'Mul']);
  });
});

describe('workOnCpu', () => {
  const node = (provider: string, type: string, dims: number[]): NodePlacement => ({
    node: 'n',
    operator: 'Op',
    provider,
    outputs: [{ type, dims }],
  });
  const onCpu = (type: string, dims: number[]) => workOnCpu([node('CPUExecutionProvider', type, dims)]).length === 1;

  it('finds nothing where all nodes ran on the device', () => {
    expect(workOnCpu([node('CUDAExecutionProvider', 'float', [1, 64, 56, 56])])).toEqual([]);
  });

  it('accepts sizes, axes and scales, and nothing larger', () => {
    expect(onCpu('int64', [4])).toBe(false);
    expect(onCpu('int64', [])).toBe(false);
    expect(onCpu('float', [4])).toBe(false);
    expect(onCpu('float', [64])).toBe(true);
    expect(onCpu('float', [1, 10])).toBe(true);
    expect(onCpu('int64', [1, 128])).toBe(true);
  });
});

describe('assertOnDevice', () => {
  it('catches a model that was asked for elsewhere and ran on the CPU', async () => {
    const placement = await withSession(chainModel(), { graphOptimization: 'disabled' }, (session) =>
      session.placement({ x }),
    );
    expect(() => assertOnDevice('cuda', placement)).toThrow(/'cuda' does not run the whole model.*Mul.*Add/);
  });

  it('is content where only sizes are computed on the CPU', () => {
    const outputs = [{ type: 'int64', dims: [4] }];
    const shape = { node: 'shape', operator: 'Shape', provider: 'CPUExecutionProvider', outputs };
    const work = [{ type: 'float', dims: [1, 8, 8, 8] }];
    const conv = { node: 'conv', operator: 'Conv', provider: 'CUDAExecutionProvider', outputs: work };
    expect(() => assertOnDevice('cuda', [shape, conv])).not.toThrow();
  });

  it('takes no news for bad news', () => {
    expect(() => assertOnDevice('cuda', [])).toThrow('says nothing');
  });
});

describe('placementOf', () => {
  it('counts a node once however often it ran, and ignores what is not a node', () => {
    const event = {
      cat: 'Node',
      name: 'conv_kernel_time',
      args: { op_name: 'Conv', provider: 'CUDAExecutionProvider', output_type_shape: [{ float: [1, 8] }] },
    };
    expect(placementOf([{ cat: 'Session', name: 'model_run' }, event, event])).toEqual([
      { node: 'conv', operator: 'Conv', provider: 'CUDAExecutionProvider', outputs: [{ type: 'float', dims: [1, 8] }] },
    ]);
  });
});
