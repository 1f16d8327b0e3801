/**
 * Properties of pruning over random graphs: convolutions, residuals, concatenations, splits, slices, grouped and depthwise
 * convolutions, flatten, squeeze-and-excite, transposes, heads, shuffles, padding, shared weights, several inputs, nested.
 */
import {
  DependencyGraph,
  type DimTerm,
  type Group,
  type LayerAxis,
  leavesOf,
  numericSize,
} from '@onnx-pruning/depgraph';
import {
  checkModel,
  createRandom,
  encodeModel,
  type Model,
  type NodeProto,
  OnnxPruningError,
  parseModel,
  type Random,
} from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import {
  applyPlan,
  BasePruner,
  createPlan,
  GroupMagnitudeImportance,
  type Plan,
  PlanError,
  type PrunerOptions,
  RandomImportance,
} from '@onnx-pruning/pruning';
import fc from 'fast-check';
import { askableGroups } from './random/askable.ts';
import { buildProgram, type Program, programs, stepNames } from './random/program.ts';

const LENGTH = 12;
/** A fixed seed: a failure is a failure everywhere. Other seeds were run by the thousand when this was written. */
const RUNS = { seed: 2024, numRuns: 200 };

const bytesOf = (model: Model): Buffer => Buffer.from(encodeModel(model));
const graphOf = (model: Model): DependencyGraph => new DependencyGraph().buildDependency(model);

/** A random non-empty part of the numbers up to `n`, of at most `most`. */
function some(n: number, most: number, random: Random): Set<number> {
  const count = 1 + random.int(Math.min(n, most));
  return new Set(Array.from({ length: count }, () => random.int(n)));
}

/** A group of random channels of a random free dimension, seen from a random layer that holds it. */
function randomGroup(graph: DependencyGraph, random: Random): Group | undefined {
  const uses = [...graph.analysis.uses].filter(([, axes]) => axes.length > 0);
  if (uses.length === 0) return undefined;
  const [leaf, axes] = uses[random.int(uses.length)];
  return graph.groupOfCells(axes[random.int(axes.length)], new Map([[leaf, some(numericSize(leaf), 4, random)]]));
}

/** Prunes groups by turns; what is refused must be refused with a typed error and without a trace. */
function pruneRandomly(graph: DependencyGraph, random: Random): number {
  let pruned = 0;
  for (let turn = 0; turn < 5; turn++) {
    const before = bytesOf(graph.model);
    try {
      randomGroup(graph, random)?.prune();
      pruned++;
    } catch (error) {
      expect(error).toBeInstanceOf(OnnxPruningError);
      expect((error as OnnxPruningError).details.repair).toBeTruthy();
      expect(before.equals(bytesOf(graph.model))).toBe(true);
    }
  }
  return pruned;
}

/** The pruned model loads, runs and computes what the plan promises, or the plan says that it cannot be told. */
async function expectVerified(program: Program, model: Model, plan: Plan): Promise<void> {
  const { model: original, dims } = buildProgram(program);
  checkModel(model);
  try {
    const verification = await verify(original, model, plan, { dims });
    expect(verification.outputs.filter((output) => !output.ok)).toEqual([]);
  } catch (error) {
    if (!(error instanceof PlanError && error.code === 'NO_REFERENCE')) throw error;
  }
}

describe('random graphs', () => {
  it('are made of every kind of step', () => {
    const sample = fc.sample(programs(LENGTH), RUNS);
    const used = new Set(sample.flatMap(({ steps }) => steps.map(({ step }) => step)));
    expect([...used].sort()).toEqual([...stepNames].sort());
    const operators = new Set(sample.flatMap((p) => buildProgram(p).model.graph.node.map(({ opType }) => opType)));
    for (const opType of [
      'ConvTranspose',
      'DepthToSpace',
      'Flatten',
      'Gather',
      'GroupNormalization',
      'MatMul',
      'Tile',
    ]) {
      expect(operators).toContain(opType);
    }
  });

  it('random channels of random groups, one after the other: the result verifies or the request is refused', async () => {
    let pruned = 0;
    await fc.assert(
      fc.asyncProperty(programs(LENGTH), async (program) => {
        const { model } = buildProgram(program);
        const graph = graphOf(model);
        const count = pruneRandomly(graph, createRandom(program.seed));
        pruned += count;
        if (count > 0) await expectVerified(program, model, createPlan(graph));
      }),
      RUNS,
    );
    expect(pruned).toBeGreaterThan(2 * RUNS.numRuns);
  }, 60_000);

  it('pruners of all kinds: the result verifies, and plan and history replay it byte for byte', async () => {
    const options: fc.Arbitrary<PrunerOptions> = fc.record({
      importance: fc.constantFrom(
        new GroupMagnitudeImportance(),
        new GroupMagnitudeImportance({ p: 1, normalizer: 'max' }),
      ),
      pruningRatio: fc.constantFrom(0.1, 0.3, 0.5, 0.7, 0.95),
      roundTo: fc.constantFrom(undefined, 2, 4, 8),
      groupSelection: fc.constantFrom('same', 'independent'),
      globalPruning: fc.boolean(),
      isomorphic: fc.boolean(),
      iterativeSteps: fc.constantFrom(1, 2, 3),
      maxPruningRatio: fc.constantFrom(1, 0.6),
    });
    await fc.assert(
      fc.asyncProperty(programs(LENGTH), options, async (program, chosen) => {
        const { model } = buildProgram(program);
        const pruner = new BasePruner(model, chosen);
        for (let step = 0; step < chosen.iterativeSteps!; step++) pruner.step();
        const plan = JSON.parse(JSON.stringify(pruner.plan())) as Plan;
        if (plan.groups.length > 0) await expectVerified(program, model, plan);
        const byPlan = buildProgram(program).model;
        applyPlan(byPlan, plan);
        expect(bytesOf(byPlan).equals(bytesOf(model))).toBe(true);
        const byHistory = buildProgram(program).model;
        new BasePruner(byHistory, chosen).loadPruningHistory(JSON.parse(JSON.stringify(pruner.pruningHistory())));
        expect(bytesOf(byHistory).equals(bytesOf(model))).toBe(true);
      }),
      RUNS,
    );
  }, 60_000);
});

describe('groups of random graphs', () => {
  it('partition the channels that can be pruned', () => {
    fc.assert(
      fc.property(programs(LENGTH), (program) => {
        const graph = graphOf(buildProgram(program).model);
        const seen = new Set<DimTerm>();
        for (const group of graph.getAllGroups()) {
          for (const [leaf, channels] of group.cells) {
            expect(seen.has(leaf)).toBe(false);
            seen.add(leaf);
            expect(channels.size).toBe(numericSize(leaf));
          }
          for (const { axis, idxs } of group.items) expectDisjoint(axis, idxs);
        }
      }),
      RUNS,
    );

    /** Indices of one member: each once, ascending, within the axis. */
    function expectDisjoint(axis: LayerAxis, idxs: Int32Array): void {
      expect(Array.from(idxs)).toEqual([...new Set(idxs)].sort((a, b) => a - b));
      expect(idxs.at(-1)!).toBeLessThan(numericSize(axis.term));
      expect(leavesOf(axis.term).length).toBeGreaterThan(0);
    }
  });

  it('do not depend on the order in which the file lists its nodes', () => {
    fc.assert(
      fc.property(programs(LENGTH), (program) => {
        const shuffled = buildProgram(program).model;
        shuffleNodes(shuffled, createRandom(program.seed));
        checkModel(shuffled);
        expect(askableGroups(graphOf(shuffled))).toEqual(askableGroups(graphOf(buildProgram(program).model)));
      }),
      RUNS,
    );
  });

  it('are those of the pruned file when it is loaded again', () => {
    fc.assert(
      fc.property(programs(LENGTH), (program) => {
        const { model } = buildProgram(program);
        const graph = graphOf(model);
        pruneRandomly(graph, createRandom(program.seed));
        // An axis of one channel may mean something else to a reader who has not seen it shrink.
        fc.pre([...graph.analysis.uses.keys()].every((leaf) => numericSize(leaf) > 1));
        expect(askableGroups(graphOf(parseModel(encodeModel(model))))).toEqual(askableGroups(graph));
      }),
      { ...RUNS, numRuns: 80 },
    );
  });
});

describe('the same program and seed', () => {
  it('give the same bytes', () => {
    const once = (program: Program): Buffer => {
      const { model } = buildProgram(program);
      const importance = new RandomImportance({ seed: 1 });
      const pruner = new BasePruner(model, { importance, pruningRatio: 0.5, globalPruning: true });
      pruner.step();
      return bytesOf(model);
    };
    fc.assert(
      fc.property(programs(LENGTH), (program) => {
        expect(once(program).equals(once(program))).toBe(true);
      }),
      { ...RUNS, numRuns: 50 },
    );
  });
});

/** Any other order in which every value is computed before it is used. */
function shuffleNodes({ graph }: Model, random: Random): void {
  const known = new Set([...graph.input, ...graph.initializer].map(({ name }) => name ?? ''));
  const left = [...graph.node];
  const order: NodeProto[] = [];
  while (left.length > 0) {
    const ready = left.filter(({ input }) => input.every((name) => name === '' || known.has(name)));
    const next = ready[random.int(ready.length)];
    left.splice(left.indexOf(next), 1);
    order.push(next);
    for (const name of next.output) known.add(name);
  }
  graph.node = order;
}
