/**
 * Drawings for Graphviz: the dependency graph with every side of a layer in the colour of its group, and the groups
 * themselves with one cluster each. Text only; `dot -Tsvg` makes pictures of it.
 */

import type { DependencyGraph, Group, GroupItem } from '@onnx-pruning/depgraph';
import {
  channelsOn,
  type Edge,
  edgesOf,
  GRAPH,
  GROUP,
  type LayerAxis,
  leavesOf,
  numericSize,
  partOf,
  type Vertex,
  verticesOf,
} from '@onnx-pruning/depgraph';
import { checkArguments, checkOptions, listOf, type OptionKinds, oneOf } from '@onnx-pruning/onnx';
import { colourOf, groupColour, type LeafColours, leafColours, SEVERAL_GROUPS } from './colours.ts';
import { escaped } from './markup.ts';

/** What a drawing in the DOT language shows. */
export interface DotOptions {
  /** Groups to colour or draw. Default: all that the graph offers. */
  readonly groups?: readonly Group[];
  /** From top to bottom (`TB`, the default) or from left to right (`LR`). */
  readonly direction?: 'TB' | 'LR';
}

const DOT_OPTIONS: OptionKinds<DotOptions> = { groups: listOf(GROUP), direction: oneOf('TB', 'LR') };

type Attributes = Readonly<Record<string, string | number>>;

/**
 * The dependency graph as DOT: pruning the channels that an edge carries prunes both of its ends. Layers are boxes with
 * their input channels above and their output channels below, other operators are ovals; channels of one group have one
 * colour, channels that are not offered are light grey, and a value with channels of several groups is dark grey.
 */
export function dependencyGraphToDot(graph: DependencyGraph, options: DotOptions = {}): string {
  checkArguments('dependencyGraphToDot', { graph: [graph, GRAPH] });
  checkOptions('dependencyGraphToDot', options, DOT_OPTIONS);
  const colours = leafColours(options.groups ?? [...graph.getAllGroups()]);
  const vertices = verticesOf(graph.analysis);
  const edges = edgesOf(graph.analysis, vertices);
  const connected = new Set(edges.flatMap(({ source, target }) => [source, target]));
  return digraph('dependencies', options, [
    ...[...vertices.values()].filter((vertex) => connected.has(vertex)).map((vertex) => drawVertex(vertex, colours)),
    ...edges.map((edge) => drawEdge(edge, colours)),
  ]);
}

function drawVertex({ name, operator, layer }: Vertex, colours: LeafColours): string {
  if (!layer) return statement(quoted(name), { shape: 'ellipse', label: operator });
  const sides = (side: 'in' | 'out'): string =>
    layer.axes
      .filter((axis) => axis.side === side)
      .map((axis) => `<TR>${drawAxis(axis, colours)}</TR>`)
      .join('');
  const middle = `<TR><TD><B>${escaped(name)}</B><BR/>${escaped(operator)}</TD></TR>`;
  const label = `<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0">${sides('in')}${middle}${sides('out')}</TABLE>`;
  return `${quoted(name)} [shape=plain, label=<${label}>];`;
}

/** A cell in the colour of the axis' group; where it holds channels of several, a strip of them. */
function drawAxis({ side, term }: LayerAxis, colours: LeafColours): string {
  const text = `${side} ${term.size}`;
  const leaves = leavesOf(term);
  const colour = colourOf(leaves, colours);
  if (colour !== SEVERAL_GROUPS) return cell(text, colour);
  const sizes = new Map<string, number>();
  for (const leaf of leaves) {
    const own = colourOf([leaf], colours);
    sizes.set(own, (sizes.get(own) ?? 0) + numericSize(leaf));
  }
  const strip = [...sizes].map(([own, size]) => cell(String(size), own)).join('');
  const table = `<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0"><TR>${cell(text, '#ffffff')}${strip}</TR></TABLE>`;
  return `<TD CELLPADDING="0">${table}</TD>`;
}

function cell(text: string, colour: string): string {
  return `<TD BGCOLOR="${colour}">${escaped(text)}</TD>`;
}

function drawEdge(edge: Edge, colours: LeafColours): string {
  const ends = `${quoted(edge.source.name)} -> ${quoted(edge.target.name)}`;
  return statement(ends, { label: channelsOn(edge), color: colourOf(edge.leaves, colours) });
}

/**
 * Groups as DOT, one cluster each: its members, and how pruning the root (with a double border) reaches them. A layer
 * stands in the group of its inputs and in that of its outputs.
 */
export function groupsToDot(graph: DependencyGraph, options: DotOptions = {}): string {
  checkArguments('groupsToDot', { graph: [graph, GRAPH] });
  checkOptions('groupsToDot', options, DOT_OPTIONS);
  const groups = options.groups ?? [...graph.getAllGroups()];
  return digraph('groups', options, groups.flatMap(drawGroup));
}

function drawGroup(group: Group, index: number): string[] {
  const id = ({ axis }: GroupItem): string =>
    quoted([index, axis.layer.name, axis.side, ...(partOf(axis) > 0 ? [partOf(axis)] : [])].join('/'));
  const title = `group ${index}: ${group.root.layer.name}, ${group.idxs.length} channels`;
  return [
    `subgraph ${quoted(`cluster_${index}`)} {`,
    ...['label', 'color', 'fillcolor', 'style'].map(
      (name, i) => `  ${name}=${quoted([title, groupColour(index), `${groupColour(index)}40`, 'filled,rounded'][i])};`,
    ),
    ...group.items.map((item, i) => `  ${statement(id(item), memberAttributes(item, i === 0))}`),
    ...group.items.flatMap((item, i) => {
      const source = i === 0 ? undefined : sourceOf(group, item);
      return source ? [`  ${id(source)} -> ${id(item)};`] : [];
    }),
    '}',
  ];
}

function memberAttributes(item: GroupItem, isRoot: boolean): Attributes {
  const label = `${item.axis.layer.name}\n${item.axis.side} (${item.idxs.length})`;
  return { shape: 'box', label, style: 'filled', fillcolor: 'white', ...(isRoot ? { peripheries: 2 } : {}) };
}

/** The member through which another is reached: backwards from inputs, forwards from outputs. */
function sourceOf(group: Group, { dep, axis }: GroupItem): GroupItem | undefined {
  const candidates = group.items.filter((item) => item.axis.layer === dep.source && item.axis !== axis);
  const from = axis.side === 'in' ? 'out' : 'in';
  return candidates.find((item) => item.axis.side === from) ?? candidates[0];
}

function digraph(name: string, { direction = 'TB' }: DotOptions, statements: readonly string[]): string {
  return [
    `digraph ${quoted(name)} {`,
    `  rankdir=${direction};`,
    '  node [fontname="Helvetica", fontsize=10];',
    '  edge [fontname="Helvetica", fontsize=9];',
    ...statements.map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

function statement(subject: string, attributes: Attributes): string {
  const list = Object.entries(attributes).map(([name, value]) => `${name}=${quoted(String(value))}`);
  return `${subject} [${list.join(', ')}];`;
}

/** A quoted identifier of the DOT language; line breaks become its escape for one. */
function quoted(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}
