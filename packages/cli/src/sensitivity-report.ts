/** Sensitivities as a table for people. It must not compute what was not measured. */
import type { MetricName } from '@onnx-pruning/data';
import type { GroupSensitivity, Sensitivity, SensitivityPoint } from '@onnx-pruning/recovery';
import { mostSensitiveFirst } from '@onnx-pruning/report';
import Table from 'cli-table3';
import { METRIC_NAMES } from './metric-names.ts';
import { BORDERLESS } from './tables.ts';
import type { Colours } from './terminal.ts';
import { wrap } from './wrap.ts';

const MOST_REASONS = 8;

/** The report, with a line feed at its end. @param columns width that lines may have */
export function showSensitivity(
  found: Sensitivity,
  written: readonly string[],
  colours: Colours,
  columns: number,
): string {
  const text = (line: string): string => wrap(line, columns).join('\n');
  const notes = [...showPruned(found), ...showLeft(found, colours), showWork(found), ...showWritten(written)];
  return `${[text(showWhole(found)), text(showHead(found)), '', showTable(found, colours), '', ...notes.map(text)].join('\n')}\n`;
}

function showWhole({ metric, unpruned, isShare, samples }: Sensitivity): string {
  const value = (x: number): string => (isShare ? `${(100 * x).toFixed(2)} %` : x.toPrecision(4));
  const [low, high] = unpruned.interval;
  const interval = `95 % interval ${value(low)} to ${value(high)}`;
  return `${METRIC_NAMES[metric as MetricName]} with all channels: ${value(unpruned.value)} (${interval}), ${count(samples, 'sample')}`;
}

function showHead({ isShare, lowerIsBetter }: Sensitivity): string {
  const unit = isShare ? ' in points' : '';
  const way = lowerIsBetter ? ' (more is worse)' : '';
  return `Its change${unit}${way} without so much of the channels of a group, the most sensitive first; * where its 95 % interval does not hold 0:`;
}

function showTable(found: Sensitivity, { bold, red }: Colours): string {
  const { ratios } = found;
  const table = new Table({
    head: ['group', 'channels', ...ratios.map(showShare), `MACs saved at ${showShare(ratios.at(-1)!)}`].map(bold),
    colAligns: ['left', ...ratios.map(() => 'right' as const), 'right', 'right'],
    ...BORDERLESS,
  });
  const change = (point: SensitivityPoint): string => {
    const text = showChange(point, found);
    return point.drop > 0 && text.endsWith('*') ? red(text) : text;
  };
  for (const { root, channels, points } of mostSensitiveFirst(found)) {
    table.push([root, String(channels), ...points.map(change), showSaved(points.at(-1)!)]);
  }
  return table.toString();
}

function showChange(
  { difference, differenceInterval: [low, high] }: SensitivityPoint,
  { isShare }: Sensitivity,
): string {
  const size = isShare ? (100 * Math.abs(difference)).toFixed(2) : Math.abs(difference).toPrecision(3);
  const sign = difference === 0 ? ' ' : difference < 0 ? '-' : '+';
  return `${sign}${size}${low > 0 || high < 0 ? '*' : ' '}`;
}

function showSaved({ macsSaved }: SensitivityPoint): string {
  return macsSaved === undefined ? 'unknown' : `${(100 * macsSaved).toFixed(1)} %`;
}

/** One line for each reason why groups were not masked. */
function showPruned({ groups }: Sensitivity): string[] {
  const byReason = new Map<string, GroupSensitivity[]>();
  for (const group of groups.filter(({ method }) => method === 'pruned')) {
    const reason = group.prunedBecause.join('; ');
    byReason.set(reason, [...(byReason.get(reason) ?? []), group]);
  }
  return [...byReason].slice(0, MOST_REASONS).map(([reason, of]) => {
    const roots = of.map(({ root }) => root).join(', ');
    return `Pruned in place of masked, because of ${reason}: ${roots}`;
  });
}

function showLeft({ left }: Sensitivity, { yellow }: Colours): string[] {
  const more = left.length > MOST_REASONS ? [yellow(`and ${left.length - MOST_REASONS} more groups`)] : [];
  return [
    ...left.slice(0, MOST_REASONS).map(({ root, reason }) => yellow(`Not measured: ${root}, since ${reason}`)),
    ...more,
  ];
}

function showWork({ evaluations, sessions }: Sensitivity): string {
  return `${count(evaluations, 'evaluation')} in ${count(sessions, 'session')}`;
}

function showWritten(written: readonly string[]): string[] {
  return written.length === 0 ? [] : [`Written: ${written.join(', ')}`];
}

const showShare = (share: number): string => `${Number((100 * share).toPrecision(12))} %`;
const count = (n: number, what: string): string => `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`;
