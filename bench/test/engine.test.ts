import { countOpsAndParams } from '@onnx-pruning/cost';
import { buildDenseNet } from '@onnx-pruning/models';
import { encodeModel, parseModel } from '@onnx-pruning/onnx';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { PHASES, pruneTimed, totalMs } from '../src/engine.ts';

describe('pruneTimed', () => {
  const original = encodeModel(buildDenseNet({ blocks: [2, 2], growth: 8, imageSize: 32, classes: 10 }));

  it('does what a pruner does, byte for byte', () => {
    const model = parseModel(original);
    const importance = new GroupMagnitudeImportance();
    new BasePruner(model, { importance, pruningRatio: 0.3, ignoredLayers: ['classifier'] }).step();
    const { bytes } = pruneTimed(original, { ratio: 0.3, ignoredLayers: ['classifier'] });
    expect(Buffer.compare(Buffer.from(bytes), Buffer.from(encodeModel(model)))).toBe(0);
    expect(countOpsAndParams(model).params).toBeLessThan(countOpsAndParams(parseModel(original)).params);
  });

  it('accounts for its time phase by phase', () => {
    const { phasesMs } = pruneTimed(original, { ratio: 0.5, ignoredLayers: ['classifier'] });
    expect(Object.keys(phasesMs)).toEqual([...PHASES]);
    for (const phase of PHASES) expect(phasesMs[phase]).toBeGreaterThanOrEqual(0);
    expect(totalMs(phasesMs)).toBeGreaterThan(0);
  });
});
