/** Every example runs, on networks of a few channels, and says what it should. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { buildDenseNet, buildResNet } from '@onnx-pruning/models';
import { countOpsAndParams, DependencyGraph, GraphBuilder, loadModel, type Model } from 'onnx-pruning';
import * as allGroups from '../src/all-groups.ts';
import * as calibration from '../src/calibration.ts';
import * as customCriterion from '../src/custom-criterion.ts';
import * as customOperator from '../src/custom-operator.ts';
import * as densenet from '../src/densenet-in-five-steps.ts';
import * as interactive from '../src/interactive.ts';
import * as oneGroup from '../src/one-group.ts';
import * as quickStart from '../src/quick-start.ts';
import * as softPruning from '../src/soft-pruning.ts';

/** Two stages of one block, with 16 and 32 channels: each stage has a group outside and one inside its block. */
const smallResNet = (): Model => buildResNet({ blocks: [1, 1], width: 16, imageSize: 32, classes: 5, seed: 1 });
const FOUR_GROUPS = ['conv1', 'layer1.0.conv1', 'layer2.0.conv1', 'layer2.0.downsample.0'];

/** Collects what an example prints. */
async function printed(run: (print: (text: string) => void) => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  await run((text) => lines.push(...text.split('\n')));
  return lines;
}
const channelsOf = (model: Model, layer: string): number =>
  new DependencyGraph().buildDependency(model).channelsOf(layer, 'out');

describe('examples', () => {
  it('quick-start: prunes a file, prints what is left, and saves the result', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onnx-pruning-test-'));
    try {
      const output = join(folder, 'new', 'pruned.onnx');
      const lines = await printed((print) => quickStart.main(smallResNet(), output, print));
      const saved = await loadModel(output);
      expect([channelsOf(saved, 'conv1'), channelsOf(saved, 'layer2.0.conv1'), channelsOf(saved, 'fc')]).toEqual([
        8, 16, 5,
      ]);
      const total = lines.find((line) => line.startsWith('total'))!.split(/\s\s+/);
      const counts = [smallResNet(), saved].map((model) => countOpsAndParams(model));
      expect([total[1], total[2]]).toEqual(counts.map(({ macs }) => macs.toLocaleString('en')));
      expect(lines.at(-1)).toBe(`verified, and saved as ${output}`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('one-group: shows what pruning three channels takes along', async () => {
    const lines = await printed((print) => oneGroup.main(smallResNet(), print));
    expect(lines).toContain(
      '[0] pruneConvOutChannels on conv1 => pruneConvOutChannels on conv1, idxs (3) = [2, 6, 9]  (pruning root)',
    );
    expect(lines.slice(-2)).toEqual(['conv1 has 13 output channels now', 'and now 12']);
  });

  it('all-groups: takes three channels of each', async () => {
    const model = smallResNet();
    const lines = await printed((print) => allGroups.main(model, print));
    expect(
      lines
        .slice(0, -1)
        .map((line) => line.split(':')[0])
        .sort(),
    ).toEqual(FOUR_GROUPS);
    expect(['conv1', 'layer1.0.conv1', 'layer2.0.conv1'].map((name) => channelsOf(model, name))).toEqual([13, 13, 29]);
  });

  it('densenet-in-five-steps: shrinks in every step, to the size of one step', async () => {
    const build = (): Model => buildDenseNet({ blocks: [2, 2], growth: 10, initFeatures: 20, imageSize: 32, seed: 1 });
    const model = build();
    const lines = await printed((print) => densenet.main(model, print));
    const params = lines.map((line) => Number(/([\d,]+) parameters/.exec(line)![1]!.replaceAll(',', '')));
    expect(params).toHaveLength(6);
    expect([...params].sort((a, b) => b - a)).toEqual(params);
    expect(new Set(params).size).toBe(6);
    // 20 channels lose 2, 2, 2, 2, 2.
    expect(channelsOf(model, 'features.conv0')).toBe(10);
  });

  it('custom-criterion: keeps the filters with the largest weight', async () => {
    const b = new GraphBuilder({ opset: 17 });
    b.input('x', ['batch', 1, 4, 4]);
    b.initializer('a.weight', [4, 1, 1, 2], [1, 1, -5, 0, 2, 0, 0, 4]);
    b.initializer('fc.weight', [2, 4, 1, 1], new Float32Array(8).fill(1));
    const a = b.node('Conv', ['x', 'a.weight'], {}, { name: 'a' });
    b.output(b.node('Conv', [a, 'fc.weight'], {}, { name: 'fc' }));
    const model = b.build();
    const [group] = new DependencyGraph().buildDependency(model).getAllGroups();
    expect(Array.from(customCriterion.largestWeight(group!))).toEqual([1, 5, 2, 4]);
    const lines = await printed((print) => customCriterion.main(model, print));
    expect(lines).toEqual(['a: 2 channels removed', 'because: lowest largestWeight in its group, pruning ratio 0.3']);
  });

  it('custom-operator: prunes through an operator once it has a record', async () => {
    const lines = await printed((print) => customOperator.main(print));
    expect(lines).toContain("  fixed because there is no rule for com.acme::Gate in opset 1 (com.acme::Gate 'gate')");
    expect(lines).toContain('  8 prunable, coupled: conv1 out, gate out, conv2 in');
    expect(lines.at(-1)).toBe('conv1 has 4 channels now');
  });

  it('interactive: prunes, changes and leaves groups', async () => {
    const model = smallResNet();
    const lines = await printed((print) => interactive.main(model, print));
    expect([...lines].sort()).toEqual([
      '3 groups pruned',
      'conv1: 4 of the proposed 8 channels removed',
      'layer1.0.conv1: left as it is',
      'layer2.0.conv1: 12 of the proposed 16 channels removed',
      'layer2.0.downsample.0: 12 of the proposed 16 channels removed',
    ]);
    expect(['conv1', 'layer1.0.conv1', 'layer2.0.conv1'].map((name) => channelsOf(model, name))).toEqual([12, 16, 20]);
  });

  it('soft-pruning: removes what it says, and nothing else', async () => {
    const model = smallResNet();
    const lines = await printed((print) => softPruning.main(model, print));
    const decisions = new Map(lines.map((line) => [line.split(':')[0]!, line.endsWith('removed')]));
    expect([...decisions.keys()].sort()).toEqual(FOUR_GROUPS);
    // 0.3 of 16 and of 32 channels, rounded up as Torch-Pruning does: 5 and 10.
    for (const [layer, full, left] of [
      ['conv1', 16, 11],
      ['layer1.0.conv1', 16, 11],
      ['layer2.0.conv1', 32, 22],
      ['layer2.0.downsample.0', 32, 22],
    ] as const) {
      expect([layer, channelsOf(model, layer)]).toEqual([layer, decisions.get(layer) ? left : full]);
    }
  });

  it('calibration: prunes what the inputs leave silent', async () => {
    const lines = await printed((print) => calibration.main(smallResNet(), print));
    expect([...lines].sort()).toEqual([
      'conv1: 5 channels removed',
      'layer1.0.conv1: 5 channels removed',
      'layer2.0.conv1: 10 channels removed',
      'layer2.0.downsample.0: 10 channels removed',
    ]);
  });

  it('are all tested, and all in the list', () => {
    const folder = join(__dirname, '..');
    const examples = readdirSync(join(folder, 'src'))
      .map((file) => basename(file, '.ts'))
      .filter((name) => name !== 'run');
    const tests = readFileSync(__filename, 'utf8');
    const list = readFileSync(join(folder, 'README.md'), 'utf8');
    for (const name of examples) {
      expect([name, tests.includes(`it('${name}:`), list.includes(`](src/${name}.ts)`)]).toEqual([name, true, true]);
    }
    for (const [, file] of list.matchAll(/\]\((src\/[^)]+)\)/g)) expect(existsSync(join(folder, file!))).toBe(true);
  });
});
