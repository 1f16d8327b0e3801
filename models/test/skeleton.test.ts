import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DataType,
  encodeModel,
  GraphBuilder,
  type Model,
  readNumbers,
  tensorDims,
  tensorSize,
} from '@onnx-pruning/onnx';
import { listSkeletons, loadSkeleton, SkeletonError } from '../src/index.ts';
import { relativeDifference, runModel } from './run.ts';

const skeletons = listSkeletons();
const byName = skeletons.map((info) => [info.name, info] as const);

const valuesOf = (model: Model, name: string): number[] =>
  Array.from(readNumbers(model.graph.initializer.find((tensor) => tensor.name === name)!));

describe('the zoo', () => {
  it('is listed completely', async () => {
    const files = await readdir(join(__dirname, '..', 'zoo'));
    const models = files.filter((file) => file.endsWith('.onnx')).map((file) => file.slice(0, -'.onnx'.length));
    expect(skeletons.map(({ name }) => name).sort()).toEqual(models.sort());
  });

  it('has both exporters, batch norm kept and folded, opsets from 9 on and dynamic sizes', () => {
    const all = <K extends keyof (typeof skeletons)[0]>(key: K) => new Set(skeletons.map((info) => info[key]));
    expect(all('exporter')).toEqual(new Set(['script', 'dynamo']));
    expect(all('batchNorm')).toEqual(new Set(['kept', 'folded', 'none']));
    expect(all('dynamic')).toEqual(new Set(['none', 'batch', 'spatial']));
    expect([...all('opset')]).toEqual(expect.arrayContaining([9, 11, 13, 16, 18, 20, 23, 25]));
  });

  it.each(byName)(
    '%s runs, and its output depends on the image',
    async (name, info) => {
      const model = await loadSkeleton(name);
      expect({ opset: model.opset(), nodes: model.graph.node.length }).toEqual({
        opset: info.opset,
        nodes: info.nodes,
      });
      const dims = info.dynamic === 'none' ? info.input : [3, ...info.input.slice(1)];
      const [first, second] = await runModel(model, dims, [1, 2]);
      expect(first!.every(Number.isFinite)).toBe(true);
      expect(relativeDifference(first!, second!)).toBeGreaterThan(5e-3);
      // Classes and images of one batch differ as well. SqueezeNet ends in a Relu, which cuts some to zero.
      expect(new Set(first!).size).toBeGreaterThan(0.75 * first!.length);
    },
    60_000,
  );

  it.each(byName.filter(([, info]) => info.dynamic === 'spatial'))(
    '%s takes images of another size',
    async (name, info) => {
      const [output] = await runModel(await loadSkeleton(name), [1, 3, info.input[2]! * 2, info.input[3]! + 32], [1]);
      expect(output).toHaveLength(10);
    },
  );
});

describe('loadSkeleton', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skeleton-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Writes the model without the content of its initializers. */
  async function emptied(builder: GraphBuilder): Promise<string> {
    const model = builder.build();
    model.graph.initializer = model.graph.initializer.map((tensor) => ({ ...tensor, rawData: undefined }));
    const path = join(folder, 'model.onnx');
    await writeFile(path, encodeModel(model));
    return path;
  }

  it('fills every float tensor, the same for the same seed', async () => {
    const model = await loadSkeleton('densenet-kept-9', { seed: 7 });
    for (const tensor of model.graph.initializer) expect(readNumbers(tensor)).toHaveLength(tensorSize(tensor));
    const bytes = async (seed: number) => Buffer.from(encodeModel(await loadSkeleton('densenet-kept-9', { seed })));
    expect((await bytes(7)).equals(encodeModel(model))).toBe(true);
    expect((await bytes(8)).equals(encodeModel(model))).toBe(false);
  });

  it('keeps names, dimensions and the tensors that have content', async () => {
    const model = await loadSkeleton('resnet18-full-kept-16');
    const weight = model.graph.initializer.find(({ name }) => name === 'layer2.0.conv1.weight');
    expect(tensorDims(weight!)).toEqual([128, 64, 3, 3]);
    const reshaped = await loadSkeleton('shufflenet_v2-folded-18-batch-dynamo');
    const integers = reshaped.graph.initializer.filter(({ dataType }) => dataType === DataType.INT64);
    expect(integers.length).toBeGreaterThan(0);
  }, 60_000);

  it('chooses values by what a tensor is for', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const zeros = (size: number) => new Float32Array(size);
    b.initializer('w', [16, 8, 3, 3], zeros);
    for (const name of ['scale', 'shift', 'mean', 'variance']) b.initializer(name, [16], zeros);
    const conv = b.node('Conv', [b.input('x', [1, 8, 8, 8]), 'w']);
    b.output(b.node('BatchNormalization', [conv, 'scale', 'shift', 'mean', 'variance']));
    const model = await loadSkeleton(await emptied(b));
    const range = (name: string) => [Math.min(...valuesOf(model, name)), Math.max(...valuesOf(model, name))];
    for (const name of ['scale', 'variance']) {
      expect(range(name)[0]).toBeGreaterThanOrEqual(0.5);
      expect(range(name)[1]).toBeLessThan(1.5);
    }
    // Of 16 normal values with deviation 0.1, and 1152 with variance 2 / (8 * 9).
    for (const name of ['shift', 'mean']) expect(range(name)[1]).toBeLessThan(0.5);
    const power = valuesOf(model, 'w').reduce((sum, x) => sum + x * x, 0) / 1152;
    expect(power).toBeCloseTo(2 / 72, 2);
  });

  it('reads through Identity, and a variance that is also a scale stays positive', async () => {
    const b = new GraphBuilder({ opset: 17 });
    for (const name of ['ones', 'zeros']) b.initializer(name, [16], (size) => new Float32Array(size));
    const same = b.node('Identity', ['ones']);
    b.output(b.node('BatchNormalization', [b.input('x', [1, 16, 8, 8]), same, 'zeros', 'zeros', 'ones']));
    const model = await loadSkeleton(await emptied(b));
    expect(Math.min(...valuesOf(model, 'ones'))).toBeGreaterThanOrEqual(0.5);
  });

  it('says which tensor it cannot fill', async () => {
    const b = new GraphBuilder({ opset: 17 });
    b.initializer('table', [20], (size) => new Float32Array(size));
    b.output(b.node('Relu', ['table']));
    await expect(loadSkeleton(await emptied(b))).rejects.toThrow(
      "No node tells what an empty tensor is for (value 'table'): found input 0 of Relu. " +
        'Export the model with its weights, or add the operator to the table of roles.',
    );
  });

  it('lists what there is when the name is unknown', async () => {
    await expect(loadSkeleton('resnet19')).rejects.toThrow(SkeletonError);
    await expect(loadSkeleton('resnet19')).rejects.toThrow(/expected one of resnet18-full-kept-16, .*, found resnet19/);
  });
});
