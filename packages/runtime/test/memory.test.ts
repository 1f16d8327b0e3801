import { DataType, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { emptyNodeBytes, measureMemory } from '../src/index.ts';
import { scaleModel } from './models.ts';

const MIB = 2 ** 20;

/** y = x + w with `mebibytes` of weights. */
function heavyModel(mebibytes: number): Model {
  const builder = new GraphBuilder({ opset: 13 });
  const size = (mebibytes * MIB) / 4;
  builder.input('x', ['batch', 1]);
  builder.initializer('w', [size], (count) => new Float32Array(count).fill(0.5));
  builder.node('Add', ['x', 'w'], {}, { outputs: ['sum'] });
  builder.node('ReduceMax', ['sum'], { keepdims: 0 }, { outputs: ['y'] });
  builder.output('y', [], DataType.FLOAT);
  return builder.build();
}

describe('measureMemory', () => {
  it('counts at least the weights and their sum, and not this process', async () => {
    const ballast = new Uint8Array(400 * MIB).fill(1);
    const { peakBytes, baselineBytes } = await measureMemory(heavyModel(48));
    expect(peakBytes - baselineBytes).toBeGreaterThan(2 * 48 * MIB);
    expect(peakBytes).toBeLessThan(ballast.length);
    expect(await emptyNodeBytes()).toBeLessThan(baselineBytes);
  });

  it('reports a model that does not run', async () => {
    const broken = scaleModel(2);
    broken.graph.node[0]!.opType = 'NoSuchOperator';
    await expect(measureMemory(broken)).rejects.toMatchObject({ name: 'SessionError' });
  });
});
