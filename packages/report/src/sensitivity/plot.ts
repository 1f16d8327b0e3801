/**
 * Sensitivities as a drawing: a small diagram for every group, all with the same axes, the most sensitive first, so that
 * twenty groups are as easy to compare as a hundred. It must not measure.
 */
import { checkArguments, checkOptions, kinds, type OptionKinds } from '@onnx-pruning/onnx';
import type { GroupSensitivity, Sensitivity } from '@onnx-pruning/recovery';
import { escaped } from '../markup.ts';
import { linearScale, logarithmicScale, type Scale } from './scale.ts';
import { mostSensitiveFirst, SENSITIVITY } from './table.ts';

/** What is written around the diagrams. */
export interface PlotSensitivityOptions {
  /** Above everything. Default: how many groups are shown. */
  readonly title?: string;
  /** What the vertical axes show, without a unit. Default: the name of the metric. */
  readonly label?: string;
}

const OPTIONS: OptionKinds<PlotSensitivityOptions> = { title: kinds.text, label: kinds.text };

const WIDTH = 1160;
const MARGIN = { left: 74, right: 14, top: 84, bottom: 30 };
/** Around the axes of one diagram. */
const PAD = { left: 8, right: 8, top: 34, bottom: 22 };
const LINE = '#1f5fa8';
const INK = '#222222';
const FAINT = '#d6d6d6';
/** Of a character, at most, relative to the size of the font. */
const CHARACTER = 0.56;

/**
 * The metric of every group over the share of its channels that is removed, with 95 % intervals as bands, and the model
 * itself as a dashed line.
 * @returns an SVG document
 */
export function plotSensitivity(sensitivity: Sensitivity, options: PlotSensitivityOptions = {}): string {
  checkArguments('plotSensitivity', { sensitivity: [sensitivity, SENSITIVITY] });
  checkOptions('plotSensitivity', options, OPTIONS);
  const groups = mostSensitiveFirst(sensitivity);
  const layout = layoutOf(groups.length);
  const axes = axesOf(sensitivity);
  const panels = groups.map((group, i) => panel(group, i, groups.length, layout, axes));
  const { title = `Sensitivity of ${groups.length} groups of coupled channels`, label = sensitivity.metric } = options;
  const unit = sensitivity.isShare ? `${label}, %` : label;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${layout.height}" viewBox="0 0 ${WIDTH} ${layout.height}">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<g font-family="Helvetica, Arial, sans-serif" font-size="11" fill="${INK}">`,
    `<text x="16" y="26" font-size="17">${escaped(title)}</text>`,
    `<text x="16" y="46">${escaped(legend(sensitivity, unit))}</text>`,
    `<text x="16" y="62">${escaped(explanation(axes))}</text>`,
    ...panels,
    verticalLabel(unit, layout),
    `<text x="${WIDTH / 2}" y="${layout.height - 10}" text-anchor="middle" font-size="12">share of the group's channels that is removed, %</text>`,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function explanation({ y }: Axes): string {
  const first = 'The most sensitive groups come first. Bands are 95 % intervals';
  if (y.isLogarithmic) return `${first}; the vertical axes are logarithmic, without numbers that are not above 0.`;
  return `${first}; the dashed line is the model with all of its channels.`;
}

function legend({ samples, unpruned, isShare, lowerIsBetter }: Sensitivity, unit: string): string {
  const value = isShare ? `${(100 * unpruned.value).toFixed(2)} %` : Number(unpruned.value.toPrecision(4));
  const way = lowerIsBetter ? '; lower is better' : '';
  return `${unit}${way}. All channels: ${value}. ${samples.toLocaleString('en-US')} samples.`;
}

interface Layout {
  readonly columns: number;
  readonly width: number;
  readonly rowHeight: number;
  readonly height: number;
}

function layoutOf(groups: number): Layout {
  const columns = groups <= 6 ? Math.max(1, Math.min(3, groups)) : groups <= 24 ? 5 : 8;
  const rowHeight = columns <= 3 ? 240 : columns === 5 ? 170 : 128;
  const width = (WIDTH - MARGIN.left - MARGIN.right) / columns;
  const rows = Math.max(1, Math.ceil(groups / columns));
  return { columns, width, rowHeight, height: MARGIN.top + rows * rowHeight + MARGIN.bottom };
}

/** The axes that all diagrams have; numbers are in units of the labels. */
interface Axes {
  readonly x: Scale;
  readonly y: Scale;
  readonly unit: number;
  readonly unpruned: number;
}

function axesOf({ groups, ratios, isShare, lowerIsBetter, unpruned }: Sensitivity): Axes {
  const unit = isShare ? 100 : 1;
  const points = groups.flatMap((group) => group.points);
  const values = [unpruned.value, ...points.flatMap(({ value, interval }) => [value, ...interval])];
  const positive = points.map(({ value }) => value).filter((value) => value > 0);
  // Errors of groups lie orders of magnitude apart.
  const isWide = lowerIsBetter && positive.length > 0 && Math.max(...positive) > 50 * Math.min(...positive);
  const y = isWide ? logarithmicScale(positive) : linearScale(values.map((value) => unit * value));
  return { x: linearScale([0, ...ratios.map((ratio) => 100 * ratio)]), y, unit, unpruned: unpruned.value };
}

type Place = readonly [x: number, y: number];

function panel(group: GroupSensitivity, i: number, count: number, layout: Layout, axes: Axes): string {
  const { columns, width, rowHeight } = layout;
  const [column, row] = [i % columns, Math.floor(i / columns)];
  const [left, top] = [MARGIN.left + column * width, MARGIN.top + row * rowHeight];
  const [w, h] = [width - PAD.left - PAD.right, rowHeight - PAD.top - PAD.bottom];
  const isLast = i + columns >= count;
  return [
    `<g transform="translate(${round(left + PAD.left)} ${top + PAD.top})">`,
    `<title>${escaped(describe(group))}</title>`,
    grid(axes, w, h, column === 0, isLast),
    heading(group, w, h),
    curve(group, axes, w, h),
    '</g>',
  ].join('');
}

function describe({ root, channels, layers, points }: GroupSensitivity): string {
  const others = layers.length > 1 ? `, with ${layers.slice(1).join(', ')}` : '';
  const values = points.map(({ removed, value }) => `${removed} removed: ${value.toPrecision(4)}`);
  return `${root}: ${channels} channels${others}. ${values.join('; ')}`;
}

/** The name on up to two lines, broken where one of its parts begins; and inside the diagram, the number of channels. */
function heading({ root, channels }: GroupSensitivity, w: number, h: number): string {
  const size = w < 150 ? 9 : 10;
  const [first, second] = twoLines(root, Math.floor(w / (size * CHARACTER)));
  const name = second === '' ? ['', first] : [first, second];
  return [
    `<g font-size="${size}">`,
    ...name.map((line, i) => `<text y="${i === 0 ? -17 : -6}">${escaped(line)}</text>`),
    `<text x="3" y="${h - 4}" fill="#8a8a8a" font-size="8">${channels} channels</text>`,
    '</g>',
  ].join('');
}

/** @param most characters of a line */
function twoLines(name: string, most: number): [string, string] {
  if (name.length <= most) return [name, ''];
  const breaks = [...name.matchAll(/[./_]+(?=[^./_])/g)].map(({ index, 0: mark }) => index + mark.length);
  const fitting = breaks.filter((i) => name.length - i <= most);
  const at = fitting.findLast((i) => i <= most) ?? fitting[0] ?? name.length - most;
  // Names of layers differ at their ends.
  const start = name.slice(0, at);
  return [start.length <= most ? start : `…${start.slice(start.length - most + 1)}`, name.slice(at)];
}

function grid({ x, y }: Axes, w: number, h: number, hasLabels: boolean, isLast: boolean): string {
  const lines = y.ticks.map((tick) => `M0 ${round(h * (1 - y.at(tick)))}h${round(w)}`);
  const marks = x.ticks.map((tick) => `M${round(w * x.at(tick))} ${h}v3`);
  const numbers = hasLabels
    ? y.ticks.map(
        (tick) => `<text x="-5" y="${round(h * (1 - y.at(tick)) + 3.5)}" text-anchor="end">${show(tick)}</text>`,
      )
    : [];
  const ratios = isLast
    ? x.ticks.map((tick, i) => {
        const anchor = i === 0 ? 'start' : i === x.ticks.length - 1 ? 'end' : 'middle';
        return `<text x="${round(w * x.at(tick))}" y="${h + 14}" text-anchor="${anchor}">${show(tick)}</text>`;
      })
    : [];
  return [
    `<path d="${lines.join('')}" stroke="${FAINT}" stroke-width="0.7" fill="none"/>`,
    `<path d="M0 ${h}h${round(w)}${marks.join('')}" stroke="#888888" fill="none"/>`,
    `<g font-size="9">${numbers.join('')}${ratios.join('')}</g>`,
  ].join('');
}

/** The band, the line through the model itself, and the points. */
function curve({ points }: GroupSensitivity, { x, y, unit, unpruned }: Axes, w: number, h: number): string {
  const place = (ratio: number, value: number): Place | undefined => {
    if (y.isLogarithmic && value <= 0) return undefined;
    return [w * x.at(100 * ratio), h * (1 - Math.min(1, Math.max(0, y.at(unit * value))))];
  };
  const isPlace = (at: Place | undefined): at is Place => at !== undefined;
  const start = place(0, unpruned);
  const line = [start, ...points.map(({ ratio, value }) => place(ratio, value))].filter(isPlace);
  const edge = (end: 0 | 1): Place[] =>
    points.map(({ ratio, interval }) => place(ratio, interval[end])).filter(isPlace);
  const band = [...edge(0), ...edge(1).reverse()];
  const level =
    start && `<path d="M0 ${round(start[1])}h${round(w)}" stroke="#777777" stroke-dasharray="3 3" fill="none"/>`;
  return [
    `<path d="${pathOf(band)}" fill="${LINE}" fill-opacity="0.16"/>`,
    level ?? '',
    `<path d="${pathOf(line)}" stroke="${LINE}" stroke-width="1.6" fill="none"/>`,
    ...line
      .slice(start ? 1 : 0)
      .map(([cx, cy]) => `<circle cx="${round(cx)}" cy="${round(cy)}" r="2" fill="${LINE}"/>`),
  ].join('');
}

function pathOf(places: readonly Place[]): string {
  return places.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
}

function verticalLabel(text: string, { height }: Layout): string {
  const y = (MARGIN.top + height - MARGIN.bottom) / 2;
  return `<text transform="translate(20 ${y}) rotate(-90)" text-anchor="middle" font-size="12">${escaped(text)}</text>`;
}

function round(x: number): number {
  return Math.round(10 * x) / 10;
}

function show(tick: number): string {
  return tick !== 0 && (Math.abs(tick) < 0.001 || Math.abs(tick) >= 1e5) ? tick.toExponential(0) : String(tick);
}
