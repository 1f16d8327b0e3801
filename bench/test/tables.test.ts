import type { EngineTime, PhaseTimes } from '../src/index.ts';
import {
  growth,
  type ProofResult,
  proofTable,
  type ScalingResult,
  scalingTable,
  sumOf,
  timeTable,
} from '../src/index.ts';

const time = (totalMs: number): EngineTime => {
  const phasesMs: PhaseTimes = { parse: 1, graph: 2, groups: 3, scoring: 4, pruning: 5, encode: totalMs - 15 };
  return { phasesMs, totalMs, firstTotalMs: 2 * totalMs, passes: 3 };
};

const scaling = (model: string, nodes: number, totalMs: number): ScalingResult => ({
  model,
  original: { nodes, edges: nodes ** 2, fileBytes: nodes * 2 ** 20, params: 1000 * nodes, macs: 0 },
  time: time(totalMs),
});

describe('growth', () => {
  it('is 1 where twice the nodes take twice the time, and 2 where they take four times as long', () => {
    const small = scaling('small', 100, 50);
    const nodes = (result: ScalingResult) => result.original.nodes;
    expect(growth(scaling('twice', 200, 100), small, nodes)).toBe(1);
    expect(growth(scaling('quadratic', 200, 200), small, nodes)).toBe(2);
  });
});

describe('tables', () => {
  it('sum up what the proof said by network, and of all', () => {
    const result = (name: string, network: string, differs: number): ProofResult => ({
      ...{ ...sumOf(name, []), network, runs: 10, holds: 9 - differs, inconclusive: 1, differs },
      ...{ changes: 6, caught: 6, byRuns: 5, harmless: 2 },
    });
    const results = [result('vit-11', 'vit', 0), result('vit-23', 'vit', 1), result('swin-18', 'swin', 0)];
    expect(proofTable(results).split('\n').slice(2)).toEqual([
      '| vit | 20 | 17 | 2 | 1 | 12 of 12 | 10 of 12 | 4 |',
      '| swin | 10 | 9 | 1 | 0 | 6 of 6 | 5 of 6 | 2 |',
      '| all | 30 | 26 | 3 | 1 | 18 of 18 | 15 of 18 | 6 |',
    ]);
  });

  it('show the engine phase by phase', () => {
    const size = { fileBytes: 0, nodes: 0, edges: 0, params: 0, macs: 0 };
    const memory = { fileBytes: 0, peakBytes: 0, emptyNodeBytes: 0, idleBytes: 0, timesFile: 0 };
    const result = { model: 'ResNet-18', ratio: 0.5, original: size, pruned: size, time: time(20), memory };
    expect(`\n${timeTable([result])}\n`).toBe(`
┌───────────┬───────┬───────┬───────┬────────┬─────────┬─────────┬────────┬──────────┬──────────┐
│ model     │ ratio │ parse │ graph │ groups │ scoring │ pruning │ encode │ total ms │ first ms │
│ ResNet-18 │   0.5 │   1.0 │   2.0 │    3.0 │     4.0 │     5.0 │    5.0 │     20.0 │     40.0 │
└───────────┴───────┴───────┴───────┴────────┴─────────┴─────────┴────────┴──────────┴──────────┘
`);
  });

  it('show how time grows', () => {
    // Three times the time for twice the nodes and bytes, and four times the edges.
    const table = scalingTable([scaling('small', 100, 50), scaling('large', 200, 150)]);
    expect(table).toMatch(/small .* 50\.0 │ +100\.0 │ +1\.00 │ +1\.00 │ +1\.00 │/);
    expect(table).toMatch(/large .* 150\.0 │ +300\.0 │ +1\.50 │ +0\.75 │ +1\.50 │/);
  });
});
