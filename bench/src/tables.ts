/** Prints results as tables. It must not measure or decide anything. */
import Table from 'cli-table3';
import { PHASES } from './engine.ts';
import type { EngineResult, LatencyResult, ScalingResult } from './result.ts';

/** Time of every phase of the engine, from file bytes to file bytes. */
export function timeTable(results: readonly EngineResult[]): string {
  const head = ['model', 'ratio', ...PHASES, 'total ms', 'first ms'];
  return render(
    head,
    results.map(({ model, ratio, time }) => [
      model,
      `${ratio}`,
      ...PHASES.map((phase) => time.phasesMs[phase].toFixed(1)),
      time.totalMs.toFixed(1),
      time.firstTotalMs.toFixed(1),
    ]),
  );
}

/** What pruning leaves of parameters, MACs and bytes. */
export function sizeTable(results: readonly EngineResult[]): string {
  const head = ['model', 'ratio', 'params', 'left', 'MACs', 'left', 'file', 'left'];
  return render(
    head,
    results.map(({ model, ratio, original, pruned }) => [
      model,
      `${ratio}`,
      pruned.params.toLocaleString('en'),
      percent(pruned.params / original.params),
      pruned.macs.toLocaleString('en'),
      percent(pruned.macs / original.macs),
      mebibytes(pruned.fileBytes),
      percent(pruned.fileBytes / original.fileBytes),
    ]),
  );
}

/** Peak memory of the engine, file to file. */
export function memoryTable(results: readonly EngineResult[]): string {
  const head = ['model', 'ratio', 'file', 'peak', 'empty Node.js', 'with engine', 'peak - empty', 'of file'];
  return render(
    head,
    results.map(({ model, ratio, memory }) => [
      model,
      `${ratio}`,
      mebibytes(memory.fileBytes),
      mebibytes(memory.peakBytes),
      mebibytes(memory.emptyNodeBytes),
      mebibytes(memory.idleBytes),
      mebibytes(memory.peakBytes - memory.emptyNodeBytes),
      `${memory.timesFile.toFixed(2)}x`,
    ]),
  );
}

/** Latency of pruned models against their originals, and how much of the MACs ratio it is. */
export function latencyTable(results: readonly LatencyResult[]): string {
  const head = [
    'model',
    'provider',
    'ratio',
    'median ms',
    'p95 ms',
    'inputs/s',
    'speed-up',
    'quartiles',
    'MACs ratio',
    'of it',
  ];
  return render(
    head,
    results.flatMap(({ model, ratios, macsRatios, timing }) =>
      timing.models.map(({ latencyMs, throughput, speedUp, steady }, i) => [
        model,
        timing.executionProvider,
        ratios[i] === 0 ? 'original' : `${ratios[i]}`,
        latencyMs.median.toFixed(2),
        latencyMs.p95.toFixed(2),
        throughput.toFixed(1),
        steady ? `${speedUp.median.toFixed(2)}x` : 'too busy',
        `${speedUp.q1.toFixed(2)} - ${speedUp.q3.toFixed(2)}`,
        `${macsRatios[i]!.toFixed(2)}x`,
        steady ? percent(speedUp.median / macsRatios[i]!) : '',
      ]),
    ),
  );
}

/**
 * Engine time over growing models. The last columns compare each model with the first: how much longer it takes over how
 * much larger it is; 1 is linear, below 1 better.
 */
export function scalingTable(results: readonly ScalingResult[]): string {
  const head = [
    'model',
    'nodes',
    'edges',
    'params',
    'file',
    'total ms',
    'first ms',
    'by nodes',
    'by edges',
    'by bytes',
  ];
  const [first] = results;
  return render(
    head,
    results.map((result) => [
      result.model,
      result.original.nodes.toLocaleString('en'),
      result.original.edges.toLocaleString('en'),
      result.original.params.toLocaleString('en'),
      mebibytes(result.original.fileBytes),
      result.time.totalMs.toFixed(1),
      result.time.firstTotalMs.toFixed(1),
      growth(result, first!, ({ original }) => original.nodes).toFixed(2),
      growth(result, first!, ({ original }) => original.edges).toFixed(2),
      growth(result, first!, ({ original }) => original.fileBytes).toFixed(2),
    ]),
  );
}

/** How many times longer `result` takes than `first`, over how many times larger it is. */
export function growth(result: ScalingResult, first: ScalingResult, size: (result: ScalingResult) => number): number {
  return result.time.totalMs / first.time.totalMs / (size(result) / size(first));
}

/** Numbers stand right, names left. */
/** Columns of text; the first is aligned to the left. */
export function render(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
