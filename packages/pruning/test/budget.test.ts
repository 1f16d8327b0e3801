/** Budgets: what the pruned model costs is measured on the model itself, not taken from the pruner. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { countOpsAndParams } from '@onnx-pruning/cost';
import { encodeModel, GraphBuilder, type Model, parseModel } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance, OptionError, type PrunerOptions } from '../src/index.ts';

const folder = join(__dirname, '..', '..', '..', 'bench', 'reference');
const load = (): Model => parseModel(readFileSync(join(folder, 'tiny-mobilenet.onnx')));

const measures = {
  targetParams: (model: Model) => countOpsAndParams(model).params,
  targetMacs: (model: Model) => countOpsAndParams(model).macs,
  targetBytes: (model: Model) => encodeModel(model).byteLength,
} as const;

function prune(options: Partial<PrunerOptions>): { model: Model; pruner: BasePruner } {
  const model = load();
  const importance = new GroupMagnitudeImportance();
  const pruner = new BasePruner(model, { importance, ignoredLayers: ['classifier.1'], ...options });
  for (let step = 0; step < (options.iterativeSteps ?? 1); step++) pruner.step();
  return { model, pruner };
}

describe.each(['targetParams', 'targetMacs', 'targetBytes'] as const)('%s', (option) => {
  const original = measures[option](load());

  it.each([
    [0.8, false],
    [0.5, false],
    [0.5, true],
    [0.25, true],
  ])('as a share of %d (global: %s) is met within 1 %%', async (share, globalPruning) => {
    const { model, pruner } = prune({ [option]: share, globalPruning });
    expect(Math.abs(measures[option](model) / original - share)).toBeLessThan(0.01 * share);
    expect(pruner.budget).toMatchObject({ met: true, target: share * original });
    expect(await verify(load(), model, pruner.plan())).toMatchObject({ ok: true });
  });

  it('as an absolute number is met within 1 %', () => {
    const wanted = Math.round(0.6 * original);
    const { model } = prune({ [option]: wanted });
    expect(Math.abs(measures[option](model) - wanted)).toBeLessThan(0.01 * wanted);
  });

  it('is approached in equal steps', () => {
    const model = load();
    const importance = new GroupMagnitudeImportance();
    const pruner = new BasePruner(model, {
      importance,
      [option]: 0.5,
      iterativeSteps: 2,
      ignoredLayers: ['classifier.1'],
    });
    pruner.step();
    expect(Math.abs(measures[option](model) / original - 0.75)).toBeLessThan(0.0075);
    pruner.step();
    expect(Math.abs(measures[option](model) / original - 0.5)).toBeLessThan(0.005);
  });

  it('that is out of reach leaves one channel per group and says why', () => {
    const { pruner, model } = prune({ [option]: 1.5 });
    expect(pruner.budget?.met).toBe(false);
    expect(pruner.budget?.reason).toMatch(/all \d+ groups are at their limit/);
    expect(pruner.graph.channelsOf('features.0.0', 'out')).toBe(1);
    expect(measures[option](model)).toBeLessThan(0.2 * original);
  });

  it('larger than the model removes nothing and says so', () => {
    const { pruner, model } = prune({ [option]: 10 * original });
    expect(pruner.budget?.reason).toBe('the model costs less than that already');
    expect(Buffer.compare(encodeModel(model), encodeModel(load()))).toBe(0);
  });
});

it('too coarse steps are named as the reason', () => {
  const b = new GraphBuilder();
  const weights = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  const x = b.input('x', [1, 3, 4, 4]);
  const y = b.node('Conv', [x, b.initializer('a.weight', [4, 3, 1, 1], weights)], { kernel_shape: [1, 1] });
  const z = b.node('Conv', [y, b.initializer('b.weight', [2, 4, 1, 1], weights)], { kernel_shape: [1, 1] });
  b.output(z);
  // 3 weights come in and 2 go out per channel of a: 20 weights in all, each channel 5 of them. 11 lies between.
  const pruner = new BasePruner(b.build(), { importance: new GroupMagnitudeImportance(), targetParams: 11 });
  pruner.step();
  expect(pruner.budget).toEqual({
    target: 11,
    reached: 10,
    met: false,
    reason: 'removing one more channel of a group changes the cost by more than 1 %',
  });
});

describe('wrong budgets', () => {
  it.each([0, -3, Number.NaN, Number.POSITIVE_INFINITY])('%d is refused', (value) => {
    expect(() => prune({ targetMacs: value })).toThrow(OptionError);
    expect(() => prune({ targetMacs: value })).toThrow(/targetMacs.*a share in \(0, 1\) or a number above 1/);
  });

  it('two at once are refused', () => {
    expect(() => prune({ targetMacs: 0.5, targetParams: 0.5 })).toThrow(/targetMacs.*because targetParams is given/);
  });
});
