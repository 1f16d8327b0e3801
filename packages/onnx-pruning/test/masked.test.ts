/**
 * Sensitivities are measured with masks: for every operator by example, and for attention in the forms of exporters, the
 * model with masked channels of a group computes what the model computes of which they were removed.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { compareOutputs } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance, type PrunerOptions } from '@onnx-pruning/pruning';
import { randomInputs, type Session, type TensorValues, withSession } from '@onnx-pruning/runtime';
import type { OperatorCase } from '../../ops/cases/case.ts';
import { type Candidate, candidatesOf, removalOfGroup, Surgeon } from '../../recovery/src/sensitivity/candidates.ts';
import { MaskedModel, reasonsAgainst } from '../../recovery/src/sensitivity/masked-model.ts';
import * as attention from './attention-blocks.ts';
import { mergedWithBatch, visionTransformer, windows } from './transformer-blocks.ts';

type Build = (b: GraphBuilder) => void;

const folder = join(__dirname, '..', '..', 'ops', 'cases');
const operators = readdirSync(folder)
  .filter((file) => file.endsWith('.cases.ts'))
  .flatMap((file) => Object.values(require(join(folder, file)) as Record<string, readonly OperatorCase[]>))
  .flat();

const { attended, fusedIndexed, fusedSplit, groupedQueries, rotated, scaled, scaledBySize, separate, tokens } =
  attention;

const ATTENTION: Readonly<Record<string, Build>> = {
  ...Object.fromEntries(
    Object.entries({ separate, fusedSplit, fusedIndexed, rotated }).map(([name, parts]): [string, Build] => [
      name,
      (b) => {
        const heads = parts(b, tokens(b));
        b.output(attended(b, scaled(b, heads), heads.v));
      },
    ]),
  ),
  'grouped queries': (b) => {
    const heads = groupedQueries(b, tokens(b));
    b.output(attended(b, scaled(b, heads), heads.v, 16));
  },
  'heads behind their channels': (b) => {
    const { q, k, v } = separate(b, tokens(b));
    const turned = [q, k].map((part) => b.node('Transpose', [part], { perm: [0, 3, 1, 2] }));
    b.output(attended(b, b.node('Einsum', turned, { equation: 'bdhq,bdhk->bhqk' }), v));
  },
  'a scale that the graph computes': (b) => {
    const heads = separate(b, tokens(b));
    b.output(attended(b, scaledBySize(b, heads), heads.v));
  },
  mergedWithBatch,
  visionTransformer,
  windows,
};

/** A size for every symbolic dimension of the inputs but the batch. */
function sizesOf(model: Model): Record<string, number> {
  const dims = model.graph.input.flatMap((input) => input.type?.tensorType?.shape?.dim ?? []);
  const names = dims.flatMap((dim) => (dim.dimParam && dim.dimParam !== 'batch' ? [dim.dimParam] : []));
  return Object.fromEntries(names.map((name) => [name, 6]));
}

/** Half of every group that masks are said to express, masked and removed. @returns how many groups that were */
async function compareGroups(
  model: Model,
  options: Partial<PrunerOptions>,
  ranges?: OperatorCase['ranges'],
): Promise<number> {
  const feeds = randomInputs(model, { dims: sizesOf(model), ranges });
  const pruner = new BasePruner(model.clone(), { importance: new GroupMagnitudeImportance(), ...options });
  const { candidates } = candidatesOf(pruner, [0.5]);
  const reasons = reasonsAgainst(
    pruner.graph,
    candidates.map(({ group }) => group),
  );
  const exact = candidates.filter(({ group }) => reasons.get(group)!.length === 0);
  const masked = new MaskedModel(
    model.clone(),
    pruner.graph,
    exact.map(({ group }) => group),
  );
  const surgeon = new Surgeon(model, pruner.graph);
  await withSession(masked.model, {}, async (session) => {
    for (const candidate of exact) await compareGroup(session, masked, surgeon, candidate, feeds);
  });
  return exact.length;
}

async function compareGroup(
  session: Session,
  masked: MaskedModel,
  surgeon: Surgeon,
  candidate: Candidate,
  feeds: TensorValues,
): Promise<void> {
  const [chosen] = surgeon.removable(candidate).chosen;
  if (chosen === undefined) return;
  const found = await session.run({ ...feeds, ...masked.masks(removalOfGroup(chosen)) });
  const pruned = await withSession(surgeon.without(chosen), {}, (other) => other.run(feeds));
  expect(compareOutputs(pruned, found).outputs.filter(({ ok }) => !ok)).toEqual([]);
}

describe('masked channels count as removed ones, by', () => {
  it.each(operators.map((example) => [example.name, example] as const))('%s', async (_, example) => {
    const b = new GraphBuilder({ opset: example.opset, opsets: { 'com.microsoft': 1 } });
    example.build(b);
    const { pruneDistributions, ranges } = example;
    await compareGroups(b.build(), { pruneDistributions }, ranges);
  });

  describe.each(['same', 'independent'] as const)('attention with the %s channels in every head', (groupSelection) => {
    it.each(Object.entries(ATTENTION))('%s', async (_, build) => {
      const b = new GraphBuilder({ opset: 17 });
      build(b);
      expect(await compareGroups(b.build(), { groupSelection })).toBeGreaterThan(0);
    });
  });
});
