import type { EngineTime, PhaseTimes } from '../src/index.ts';
import { growth, type ScalingResult, scalingTable, timeTable } from '../src/index.ts';

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
