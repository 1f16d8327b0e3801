/** Sensitivities as a table of numbers and as a drawing: in order, complete, and where the numbers say. */
import type { GroupSensitivity, Sensitivity } from '@onnx-pruning/recovery';
import { mostSensitiveFirst, plotSensitivity, sensitivityToCsv } from '../src/index.ts';

/** A group that falls from 0.9 by so much at half of its channels, and by twice as much at all but a tenth. */
const group = (root: string, drop: number): GroupSensitivity => ({
  root,
  channels: 10,
  layers: [root],
  method: 'masked',
  prunedBecause: [],
  points: [1, 2].map((times) => ({
    ratio: times === 1 ? 0.5 : 0.9,
    removed: times === 1 ? 5 : 9,
    value: 0.9 - times * drop,
    interval: [0.9 - times * drop - 0.05, 0.9 - times * drop + 0.05],
    difference: -times * drop,
    differenceInterval: [-times * drop - 0.02, -times * drop + 0.02],
    drop: times * drop,
    macsSaved: times / 8,
    paramsSaved: undefined,
  })),
  meanDrop: 1.5 * drop,
});

const of = (groups: readonly GroupSensitivity[], more: Partial<Sensitivity> = {}): Sensitivity => ({
  metric: 'top1',
  isShare: true,
  lowerIsBetter: false,
  samples: 100,
  ratios: [0.5, 0.9],
  unpruned: { value: 0.9, interval: [0.85, 0.95] },
  groups,
  left: [],
  evaluations: 5,
  sessions: 1,
  ...more,
});

const three = of([group('calm', 0), group('fragile', 0.25), group('a "quoted", one', 0.125)]);

test('the most sensitive groups come first', () => {
  expect(mostSensitiveFirst(three).map(({ root }) => root)).toEqual(['fragile', 'a "quoted", one', 'calm']);
  expect(three.groups[0]!.root).toBe('calm');
});

test('as comma-separated values, there is a line for each group and ratio', () => {
  const lines = sensitivityToCsv(three).split('\r\n');
  expect(lines).toHaveLength(8);
  expect(lines[0]).toBe(
    'root,channels,method,ratio,removed,value,value_lower,value_upper,difference,difference_lower,difference_upper,drop,macs_saved,params_saved',
  );
  expect(lines[1]).toBe('fragile,10,masked,0.5,5,0.65,0.6,0.7000000000000001,-0.25,-0.27,-0.23,0.25,0.125,');
  expect(lines[3]).toMatch(/^"a ""quoted"", one",10,masked,0\.5,5,/);
  expect(lines[7]).toBe('');
});

/** Diagrams of a drawing: where each is, and what it holds. */
function diagrams(svg: string): { x: number; y: number; text: string }[] {
  const found = [...svg.matchAll(/<g transform="translate\(([\d.]+) ([\d.]+)\)"><title>.*<\/g>/g)];
  return found.map(([text, x, y]) => ({ x: Number(x), y: Number(y), text }));
}

/** Text without markup. */
const words = (svg: string): string => svg.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

/** Heights of the circles of a diagram, and where its lowest and its highest line are. */
function heights(text: string): { points: number[]; bottom: number; top: number } {
  const points = [...text.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map(([, cy]) => Number(cy));
  const grid = /<path d="((?:M0 [\d.]+h[\d.]+)+)"/.exec(text)![1]!;
  const lines = [...grid.matchAll(/M0 ([\d.]+)/g)].map(([, y]) => Number(y));
  return { points, bottom: Math.max(...lines), top: Math.min(...lines) };
}

describe('as a drawing', () => {
  test('there is a diagram for each group, in order, with axes that say what they show', () => {
    const svg = plotSensitivity(three, { title: 'Mine & yours', label: 'accuracy' });
    expect(diagrams(svg).map(({ text }) => words(text).trim().split(':')[0])).toEqual([
      'fragile',
      'a &quot;quoted&quot;, one',
      'calm',
    ]);
    const text = words(svg);
    expect(text).toContain('Mine &amp; yours');
    expect(text).toContain('accuracy, %. All channels: 90.00 %. 100 samples.');
    expect(text).toContain("share of the group's channels that is removed, %");
    // The lowest interval ends at 35 %, the highest at 95 %.
    expect(text).toContain(' 20 40 60 80 100 ');
  });

  test('points lie where their values are, on the same axes in all diagrams', () => {
    const [fragile, , calm] = diagrams(plotSensitivity(three)).map(({ text }) => heights(text));
    expect([fragile!.top, fragile!.bottom]).toEqual([calm!.top, calm!.bottom]);
    const shareAt = ({ top, bottom }: typeof calm & object, y: number): number =>
      20 + (80 * (bottom - y)) / (bottom - top);
    expect(fragile!.points.map((y) => shareAt(fragile!, y))).toEqual([expect.closeTo(65, 0), expect.closeTo(40, 0)]);
    expect(calm!.points.map((y) => shareAt(calm!, y))).toEqual([expect.closeTo(90, 0), expect.closeTo(90, 0)]);
  });

  test('errors that lie orders of magnitude apart are drawn by their logarithm', () => {
    const errors = [1e-6, 1e-3, 1];
    const groups = errors.map((error, i) => ({
      ...group(`g${i}`, 0),
      points: group('', 0).points.map((point) => ({ ...point, value: error, interval: [error, error] as const })),
    }));
    const unpruned = { value: 0, interval: [0, 0] as const };
    const svg = plotSensitivity(
      of(groups, { metric: 'meanSquaredError', isShare: false, lowerIsBetter: true, unpruned }),
    );
    const [low, middle, high] = diagrams(svg).map(({ text }) => heights(text));
    expect(words(svg)).toContain('meanSquaredError; lower is better. All channels: 0.');
    expect(middle!.points[0]! - high!.points[0]!).toBeCloseTo(low!.points[0]! - middle!.points[0]!, 0);
    expect(svg).not.toContain('NaN');
  });

  test.each([1, 4, 20, 100])('%i diagrams lie side by side within the drawing', (count) => {
    const svg = plotSensitivity(
      of(Array.from({ length: count }, (_, i) => group(`features.block${i}.layer${i}.conv`, 0.01))),
    );
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg)!.map(Number);
    const found = diagrams(svg);
    expect(found).toHaveLength(count);
    expect(new Set(found.map(({ x, y }) => `${x} ${y}`)).size).toBe(count);
    expect(Math.max(...found.map(({ x }) => x))).toBeLessThan(width!);
    expect(Math.max(...found.map(({ y }) => y))).toBeLessThan(height! - 50);
    // Names that are too long for one line take two; no part of them is lost.
    for (const { text } of found) expect(words(text)).not.toContain('…');
  });
});
