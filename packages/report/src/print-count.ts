/** Prints what a model cost before and after pruning, layer by layer, as text for a terminal or a log. Counts nothing. */

import type { LayerCount, LayerWiseCount } from '@onnx-pruning/cost';
import { checkArguments, type Kind, kinds } from '@onnx-pruning/onnx';

const HEAD = ['layer', 'operator', 'MACs', 'after', 'left', 'params', 'after', 'left'] as const;

/** Columns that stand left; numbers stand right. */
const NAMES = 2;

const COUNT: Kind = {
  expected: 'the result of countOpsAndParams with layerWise: true',
  accepts: (value) => kinds.object.accepts(value) && Array.isArray((value as Partial<LayerWiseCount>).layers),
};

/**
 * A table of layers in graph order with a line of totals: what each one cost, what it costs now, and how much of it is
 * left. A layer that only one of the two has shows a dash on the other side.
 */
export function printCount(before: LayerWiseCount, after: LayerWiseCount): string {
  checkArguments('printCount', { before: [before, COUNT], after: [after, COUNT] });
  const now = new Map(after.layers.map((layer) => [layer.name, layer]));
  const was = new Set(before.layers.map((layer) => layer.name));
  const rows = [
    ...before.layers.map((layer) => row(layer.name, layer.operator, layer, now.get(layer.name))),
    ...after.layers
      .filter(({ name }) => !was.has(name))
      .map((layer) => row(layer.name, layer.operator, undefined, layer)),
  ];
  return table([HEAD, ...rows, row('total', '', before, after)]);
}

type Cost = Pick<LayerCount, 'macs' | 'params'>;

function row(name: string, operator: string, before: Cost | undefined, after: Cost | undefined): string[] {
  return [name, operator, ...change(before?.macs, after?.macs), ...change(before?.params, after?.params)];
}

function change(before: number | undefined, after: number | undefined): string[] {
  const left = before && after !== undefined ? `${((100 * after) / before).toFixed(1)} %` : '';
  return [count(before), count(after), left];
}

function count(value: number | undefined): string {
  return value === undefined ? '-' : value.toLocaleString('en');
}

/** Rows under a rule below the head, and the last one under another. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column < NAMES ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  const lines = rows.map(line);
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1)].join('\n');
}
