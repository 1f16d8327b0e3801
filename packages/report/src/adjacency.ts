/**
 * Adjacency drawings as SVG text: which sides of which layers are coupled. Rows and columns are the input and output
 * sides of every layer in graph order; a filled cell couples its row with its column.
 */

import type { DependencyGraph, Group, Side } from '@onnx-pruning/depgraph';
import { edgesOf, GRAPH, GROUP, verticesOf } from '@onnx-pruning/depgraph';
import { checkArguments, checkOptions, greatest, kinds, listOf, type OptionKinds } from '@onnx-pruning/onnx';
import { colourOf, groupColour, leafColours, NO_GROUP } from './colours.ts';
import { escaped } from './markup.ts';

/** What a drawing of the dependency graph shows. */
export interface AdjacencyOptions {
  /** Groups to colour or draw. Default: all that the graph offers. */
  readonly groups?: readonly Group[];
  /** Said above the drawing. */
  readonly title?: string;
  /** Width and height of one cell in pixels. Default 8. */
  readonly cellSize?: number;
}

/** One line of the drawing for each name and side. */
const ADJACENCY_OPTIONS: OptionKinds<AdjacencyOptions> = {
  groups: listOf(GROUP),
  title: kinds.text,
  cellSize: kinds.number,
};

interface Axis {
  readonly names: readonly string[];
  at(name: string, side: Side): number;
}

/** Filled cells of one colour, and what they are. */
interface Patch {
  readonly colour: string;
  readonly title: string;
  /** Columns by row. */
  readonly rows: readonly Set<number>[];
}

/**
 * Direct dependencies of layers and operators: the output side of one and the input side of the next where a value with
 * free channels goes from one to the other, in the colour of their group; and the two sides of what hands its channels
 * on, in light grey.
 * @returns an SVG document
 */
export function drawDependencyGraph(graph: DependencyGraph, options: AdjacencyOptions = {}): string {
  checkArguments('drawDependencyGraph', { graph: [graph, GRAPH] });
  checkOptions('drawDependencyGraph', options, ADJACENCY_OPTIONS);
  const colours = leafColours(options.groups ?? [...graph.getAllGroups()]);
  const vertices = verticesOf(graph.analysis);
  const edges = edgesOf(graph.analysis, vertices);
  const connected = new Set(edges.flatMap(({ source, target }) => [source, target]));
  const shown = [...vertices.values()].filter((vertex) => connected.has(vertex));
  const axis = axisOf(shown.map(({ name }) => name));
  const within = patch(axis, NO_GROUP, 'the same channels in and out');
  for (const { name, layer } of shown) {
    const separate = layer?.axes.some(({ side }) => side === 'in') ?? false;
    if (!separate) couple(within, axis.at(name, 'in'), axis.at(name, 'out'));
  }
  const patches = new Map<string, Patch>();
  for (const { source, target, leaves } of edges) {
    const colour = colourOf(leaves, colours);
    const found = patches.get(colour) ?? patch(axis, colour, 'pruned together');
    patches.set(colour, found);
    couple(found, axis.at(source.name, 'out'), axis.at(target.name, 'in'));
  }
  return draw(axis, [within, ...patches.values()], { title: 'Dependency graph', ...options });
}

/**
 * Groups: all sides of layers that belong to the same group are coupled with each other.
 * @returns an SVG document
 */
export function drawGroups(graph: DependencyGraph, options: AdjacencyOptions = {}): string {
  checkArguments('drawGroups', { graph: [graph, GRAPH] });
  checkOptions('drawGroups', options, ADJACENCY_OPTIONS);
  const groups = options.groups ?? [...graph.getAllGroups()];
  const position = new Map(graph.model.graph.node.map((node, i) => [node, i]));
  const layers = [...graph.layers].sort((a, b) => position.get(a.node)! - position.get(b.node)!);
  const axis = axisOf(layers.map(({ name }) => name));
  const patches = groups.map((group, i) => {
    const found = patch(axis, groupColour(i), `group ${i}: ${group.root.layer.name}, ${group.idxs.length} channels`);
    const members = group.items.map((item) => axis.at(item.axis.layer.name, item.axis.side));
    for (const a of members) for (const b of members) couple(found, a, b);
    return found;
  });
  return draw(axis, patches, { title: 'Groups', ...options });
}

function axisOf(names: readonly string[]): Axis {
  const position = new Map(names.map((name, i) => [name, i]));
  return { names, at: (name, side) => 2 * position.get(name)! + (side === 'in' ? 0 : 1) };
}

function patch({ names }: Axis, colour: string, title: string): Patch {
  return { colour, title, rows: Array.from({ length: 2 * names.length }, () => new Set<number>()) };
}

/** Coupling goes both ways. */
function couple({ rows }: Patch, a: number, b: number): void {
  rows[a].add(b);
  rows[b].add(a);
}

/** Width of a character relative to the size of the font, at most. */
const CHARACTER = 0.62;

function draw({ names }: Axis, patches: readonly Patch[], { title = '', cellSize = 8 }: AdjacencyOptions): string {
  const fontSize = Math.min(12, 1.6 * cellSize);
  const label = Math.ceil(fontSize * (1 + CHARACTER * greatest([0, ...names.map((name) => name.length)])));
  const head = label + 28;
  const lines = 2 * names.length;
  const [width, height] = [label + lines * cellSize + 12, head + lines * cellSize + 12];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escaped(title)}</title>`,
    '<desc>Rows and columns are the input and the output side of every layer; a filled cell couples its row with its column.</desc>',
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<g font-family="Helvetica, Arial, sans-serif" font-size="${fontSize}">`,
    `<text x="8" y="20" font-size="14">${escaped(title)}</text>`,
    ...names.flatMap((name, i) => labels(name, label, head, (2 * i + 1) * cellSize, fontSize)),
    '</g>',
    `<g transform="translate(${label} ${head}) scale(${cellSize})">`,
    grid(names.length),
    ...patches.map(drawPatch),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

/** The name of a layer beside its two rows and above its two columns. */
function labels(name: string, left: number, top: number, middle: number, fontSize: number): string[] {
  const text = escaped(name);
  const [x, y] = [left + middle + fontSize / 3, top + middle + fontSize / 3];
  return [
    `<text x="${left - 4}" y="${y}" text-anchor="end">${text}</text>`,
    `<text transform="translate(${x} ${top - 4}) rotate(-90)">${text}</text>`,
  ];
}

/** Lines between layers. */
function grid(layers: number): string {
  const size = 2 * layers;
  const lines = Array.from({ length: layers + 1 }, (_, i) => `M0 ${2 * i}H${size}M${2 * i} 0V${size}`);
  return `<path d="${lines.join('')}" stroke="#e4e4e4" stroke-width="0.1" fill="none"/>`;
}

function drawPatch({ colour, title, rows }: Patch): string {
  return `<path fill="${colour}" d="${rows.map(runs).join('')}"><title>${escaped(title)}</title></path>`;
}

/** Neighbouring cells of a row as one rectangle. */
function runs(row: ReadonlySet<number>, y: number): string {
  const columns = [...row].sort((a, b) => a - b);
  let path = '';
  for (let i = 0; i < columns.length; ) {
    let end = i + 1;
    while (end < columns.length && columns[end] === columns[i] + end - i) end++;
    path += `M${columns[i]} ${y}h${end - i}v1h-${end - i}z`;
    i = end;
  }
  return path;
}
