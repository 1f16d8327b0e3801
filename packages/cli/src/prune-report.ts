/** Says what a prune job did: as text for people, as JSON for programs. It must not compute what the job has not found. */

import { showRefusals } from '@onnx-pruning/report';
import Table from 'cli-table3';
import type { Cost, PruneResult } from './prune-job.ts';
import type { Recovery } from './recovery.ts';
import { BORDERLESS } from './tables.ts';
import type { Colours } from './terminal.ts';
import { wrap } from './wrap.ts';

const MOST_REFUSALS = 8;
const MOST_LAYERS = 5;
const MOST_REASONS = 8;

/**
 * The report of a job, with a line feed at its end.
 * @param columns width that lines may have
 */
export function showResult(result: PruneResult, colours: Colours, columns: number): string {
  const facts: [string, string[]][] = [
    ['Pruned', [showGroups(result)]],
    ['Ignored', showSelectors(result)],
    ['Skipped', result.skipped.map(({ root, reason }) => colours.yellow(`${root}: ${reason}`))],
    ['Not pruned', showRefusals(result.refusals, MOST_REFUSALS)],
    ['Equivalence', showEquivalence(result, colours)],
    ['Recovery', showRecovery(result, colours)],
    ['Accuracy', showAccuracy(result)],
    ['Ratio', showChoice(result)],
    ['Latency', showLatency(result, colours)],
    ['Written', [showWritten(result)]],
  ];
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  const lines = facts.flatMap(([name, texts]) =>
    texts
      .flatMap((text) => wrap(text, columns - width))
      .map((text, i) => `${colours.bold((i === 0 ? name : '').padEnd(width))}${text}`),
  );
  return `${showCosts(result, colours)}\n\n${lines.join('\n')}\n`;
}

/** Before and after, side by side. */
function showCosts({ before, after }: PruneResult, { bold }: Colours): string {
  const table = new Table({
    head: ['', 'before', 'after', 'left'].map((text) => bold(text)),
    colAligns: ['left', 'right', 'right', 'right'],
    ...BORDERLESS,
  });
  const row = (name: string, pick: (cost: Cost) => number | undefined): void => {
    const [from, to] = [pick(before), pick(after)];
    const left = from && to !== undefined ? showPercent(to / from) : '';
    table.push([bold(name), ...[from, to].map((n) => (n === undefined ? 'unknown' : showCount(n))), left]);
  };
  row('Parameters', (cost) => cost.params);
  row('MACs', (cost) => cost.macs);
  if (after.bytes !== undefined) row('Bytes', (cost) => cost.bytes);
  return table.toString();
}

function showGroups({ plan }: PruneResult): string {
  const before = plan.groups.reduce((sum, group) => sum + group.channels, 0);
  const kept = plan.groups.reduce((sum, group) => sum + group.kept.length, 0);
  const groups = plan.groups.length === 1 ? '1 group' : `${plan.groups.length} groups`;
  return plan.groups.length === 0
    ? 'nothing'
    : `${groups} of coupled channels: ${showCount(before - kept)} of ${showCount(before)} channels removed`;
}

/** One line for each `--ignore`: what it matched. */
function showSelectors({ selectors }: PruneResult): string[] {
  return selectors.map(({ selector, layers }) => {
    const shown = layers.slice(0, MOST_LAYERS).join(', ');
    const more = layers.length > MOST_LAYERS ? `, and ${layers.length - MOST_LAYERS} more` : '';
    return `${selector}: ${layers.length === 1 ? '1 layer' : `${layers.length} layers`}, ${shown}${more}`;
  });
}

function showEquivalence({ equivalence, written, inputSets }: PruneResult, { green, red, yellow }: Colours): string[] {
  if (!equivalence) return [yellow('not checked')];
  const { verdict, reasons, outputs, intermediates, inexact, runs, notes } = equivalence;
  const nothing = written ? '' : ': nothing was written';
  const given = inputSets === 0 ? '' : `, ${showCount(inputSets)} of them on the inputs given`;
  const verdicts = {
    holds: green('holds'),
    differs: red(`does not hold${nothing}`),
    inconclusive: yellow(`inconclusive${nothing}`),
  };
  const colour = verdict === 'differs' ? red : yellow;
  const shownReasons = reasons.slice(0, MOST_REASONS).map((reason) => colour(reason));
  const compared = [...outputs, ...intermediates];
  if (compared.length + runs.length === 0 && verdict === 'inconclusive') {
    return [`${verdicts[verdict]}; nothing was run`, ...shownReasons];
  }
  const worst = compared.reduce((most, { maxRel }) => Math.max(most, maxRel), 0);
  return [
    `${verdicts[verdict]}; largest relative difference ${showSmall(worst)}, tolerance ${showSmall(equivalence.tolerance)}`,
    `${count(outputs.length, 'output')} and ${count(intermediates.length, 'intermediate value')} compared in ${count(runs.length, 'run')}${given}`,
    ...shownReasons,
    ...inexact.map((statistic) => yellow(`inexact by nature, compared over the kept channels: ${statistic}`)),
    ...notes,
  ];
}

/** What was refitted, and how well; nothing where there were no samples. */
function showRecovery({ recovery, equivalence }: PruneResult, { green, yellow }: Colours): string[] {
  if (!recovery) return [];
  const proof = equivalence ? 'the equivalence is that of the structure, before they were' : 'nothing was proven';
  return [
    ...(recovery.method === 'bn' ? showStatistics(recovery, green) : showFits(recovery, green)),
    `refitted weights are not the original's: ${proof}`,
    ...recovery.left
      .slice(0, MOST_REASONS)
      .map(({ layer, reason }) => yellow(`not refitted: ${layer}, since ${reason}`)),
  ];
}

type Fitted = Exclude<Recovery, { readonly method: 'bn' }>;
type Recalibrated = Extract<Recovery, { readonly method: 'bn' }>;

function showFits({ method, layers, samples }: Fitted, green: Colours['green']): string[] {
  const refitted = layers.filter(({ initializers }) => initializers.length > 0);
  const what = method === 'bias' ? 'biases' : 'weights and biases';
  const errors = (pick: (sorted: readonly number[]) => number | undefined): string =>
    (['errorBefore', 'errorAfter'] as const)
      .map((of) => showPercent(pick(layers.map((layer) => layer[of]).sort((a, b) => a - b)) ?? 0))
      .join(' → ');
  const middle = errors((sorted) => sorted[Math.floor(sorted.length / 2)]);
  return [
    green(`${what} of ${refitted.length} of ${count(layers.length, 'layer')} refitted to ${count(samples, 'sample')}`),
    `error of their outputs on held-out samples: median ${middle}, worst ${errors((sorted) => sorted.at(-1))} of the variance`,
  ];
}

function showStatistics({ layers, samples }: Recalibrated, green: Colours['green']): string[] {
  const furthest = Math.max(...layers.map(({ shift }) => shift));
  return [
    green(
      `statistics of ${count(layers.length, 'BatchNormalization layer')} taken again from ${count(samples, 'sample')}`,
    ),
    `their means moved by up to ${furthest.toFixed(2)} standard deviations`,
  ];
}

/** What the written model is right in, and what it has lost. */
function showAccuracy({ accuracy }: PruneResult): string[] {
  if (!accuracy) return [];
  const { metric, samples, value, interval, asPruned, original, drop, dropInterval } = accuracy;
  const name = metric === 'top1' ? 'top-1 accuracy' : 'says what the original says:';
  const range = ([low, high]: readonly [number, number], of: (x: number) => string): string =>
    `95 % interval ${of(low)} to ${of(high)}`;
  const before = asPruned === undefined ? '' : `; before weights were refitted ${showShare(asPruned)}`;
  return [
    `${name} ${showShare(value)} (${range(interval, showShare)}) of ${count(samples, 'sample')}${before}`,
    ...(original === undefined
      ? []
      : [`original ${showShare(original)}: ${showPoints(drop)} points lost (${range(dropInterval, showPoints)})`]),
  ];
}

/** How the ratio was chosen, and what others cost: a line each. */
function showChoice({ choice }: PruneResult): string[] {
  if (!choice) return [];
  const { maxDrop, confidence, ratio, curve } = choice;
  const what = confidence === undefined ? 'a drop' : `the upper end of the drop's ${100 * confidence} % interval`;
  return [
    `${ratio} is the largest one tried that keeps ${what} within ${showPoints(maxDrop)} points`,
    ...curve.map(({ ratio: tried, macs, drop, interval }) => {
      const fewer = macs ? `, ${(1 / macs).toFixed(2)} times fewer MACs` : '';
      return `${tried}: ${showPoints(drop)} points (${showPoints(interval[0])} to ${showPoints(interval[1])})${fewer}`;
    }),
  ];
}

const showShare = (share: number): string => `${(100 * share).toFixed(2)} %`;
const showPoints = (share: number): string => (100 * share).toFixed(2);

const count = (n: number, what: string): string => `${showCount(n)} ${what}${n === 1 ? '' : 's'}`;

function showLatency({ latency, notTimed, before, after }: PruneResult, { yellow }: Colours): string[] {
  if (!latency) return [notTimed === undefined ? 'not measured' : yellow(`not measured: ${notTimed}`)];
  const [original, pruned] = latency.models;
  const promise = before.macs && after.macs ? `; ${(before.macs / after.macs).toFixed(2)} times fewer MACs` : '';
  const where = `${latency.runs} paired runs on ${latency.executionProvider}, ${latency.device}, batch ${latency.batch}`;
  if (!pruned.steady) {
    const { q1, q3 } = pruned.speedUp;
    return [
      yellow(`not known: the machine was too busy for a fair timing${promise}`),
      `half of ${where} were between ${showSpeed(q1)} and ${showSpeed(q3)}; time again when it is idle`,
    ];
  }
  const [from, to] = [original, pruned].map(({ latencyMs }) => showMs(latencyMs.median));
  return [`${from} → ${to}, ${showSpeed(pruned.speedUp.median)}${promise}`, `median of ${where}`];
}

/** `3.49 times faster`, `1.20 times slower` */
function showSpeed(speedUp: number): string {
  return speedUp < 1 ? `${(1 / speedUp).toFixed(2)} times slower` : `${speedUp.toFixed(2)} times faster`;
}

function showWritten({ written }: PruneResult): string {
  if (!written) return 'nothing';
  return [written.model, written.data, written.plan].filter((path) => path !== undefined).join(', ');
}

const showCount = (n: number): string => n.toLocaleString('en-US');
const showPercent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const showMs = (ms: number): string => `${ms.toFixed(2)} ms`;
const showSmall = (n: number): string => (n === 0 ? '0' : n.toExponential(1));

/** The result as plain data: stable names, no formatting. Infinite differences are null, as JSON has it. */
export function resultToJson(result: PruneResult): object {
  const {
    job,
    selectors,
    skipped,
    before,
    after,
    plan,
    refusals,
    equivalence,
    recovery,
    accuracy,
    choice,
    latency,
    notTimed,
    written,
  } = result;
  return {
    model: job.model,
    options: {
      ratio: choice?.ratio ?? job.ratio,
      ignore: job.ignore,
      criterion: job.criterion,
      roundTo: job.roundTo,
      inputs: job.inputs,
      seed: job.seed,
    },
    selectors,
    before,
    after,
    groups: plan.groups.map(({ root, channels, kept, inexact }) => ({ root, channels, kept: kept.length, inexact })),
    skipped,
    notPruned: refusals,
    verdict: equivalence?.verdict ?? null,
    reasons: equivalence?.reasons ?? [],
    equivalence: equivalence ?? null,
    recovery: recovery ? recoveryToJson(recovery) : null,
    accuracy: accuracy ?? null,
    choice: choice ?? null,
    latency: latency ? latencyToJson(latency) : null,
    notTimed: notTimed ?? null,
    written: written ?? null,
  };
}

function recoveryToJson({ method, samples, layers, left }: NonNullable<PruneResult['recovery']>): object {
  return { method, samples, layers, left };
}

function latencyToJson(latency: NonNullable<PruneResult['latency']>): object {
  const { models, ...conditions } = latency;
  const [original, pruned] = models;
  const { speedUp, steady } = pruned;
  return { ...conditions, originalMs: original.latencyMs, prunedMs: pruned.latencyMs, speedUp, steady };
}
