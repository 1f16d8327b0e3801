/** Sensitivities as rows: their order, and as text for a spreadsheet. It must not measure. */
import { checkArguments, type Kind, kinds } from '@onnx-pruning/onnx';
import type { GroupSensitivity, Sensitivity } from '@onnx-pruning/recovery';

/** What is drawn and written here. */
export const SENSITIVITY: Kind = {
  expected: 'what sensitivity gives',
  accepts: (value) => {
    const { groups, ratios } = (value ?? {}) as Partial<Sensitivity>;
    return kinds.object.accepts(value) && Array.isArray(groups) && Array.isArray(ratios);
  },
};

/** Groups by how much worse the model gets without channels of them, the most sensitive first. */
export function mostSensitiveFirst({ groups }: Pick<Sensitivity, 'groups'>): GroupSensitivity[] {
  return [...groups].sort((a, b) => b.meanDrop - a.meanDrop);
}

const COLUMNS = [
  'root',
  'channels',
  'method',
  'ratio',
  'removed',
  'value',
  'value_lower',
  'value_upper',
  'difference',
  'difference_lower',
  'difference_upper',
  'drop',
  'macs_saved',
  'params_saved',
] as const;

/**
 * One line for each group and ratio, the most sensitive group first, as comma-separated values (RFC 4180) under a line of
 * names. Shares are numbers from 0 to 1; `_lower` and `_upper` are the ends of 95 % intervals.
 */
export function sensitivityToCsv(sensitivity: Sensitivity): string {
  checkArguments('sensitivityToCsv', { sensitivity: [sensitivity, SENSITIVITY] });
  const lines = mostSensitiveFirst(sensitivity).flatMap(({ root, channels, method, points }) =>
    points.map(({ ratio, removed, value, interval, difference, differenceInterval, drop, macsSaved, paramsSaved }) => [
      root,
      channels,
      method,
      ratio,
      removed,
      value,
      ...interval,
      difference,
      ...differenceInterval,
      drop,
      macsSaved ?? '',
      paramsSaved ?? '',
    ]),
  );
  return [COLUMNS, ...lines].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('');
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
