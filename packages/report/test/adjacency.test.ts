/** Adjacency drawings: the cells of the SVG against couplings worked out by hand. */
import { DependencyGraph, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { concatNetwork, namedNetwork, residualNetwork } from '../../depgraph/test/networks.ts';
import { drawDependencyGraph, drawGroups } from '../src/index.ts';

const graphOf = (model: ReturnType<typeof residualNetwork>): DependencyGraph =>
  new DependencyGraph().buildDependency(model);

/** Names beside the rows. */
const names = (svg: string): string[] =>
  [...svg.matchAll(/<text [^>]*text-anchor="end">([^<]*)<\/text>/g)].map(([, name]) => name);

/** Filled cells of every colour as `row column`, where a row is a layer and a side. */
function cells(svg: string): Record<string, string[]> {
  const lines = names(svg).flatMap((name) => [`${name} in`, `${name} out`]);
  const patches = [...svg.matchAll(/<path fill="(#\w+)" d="([^"]*)">/g)].map(([, colour, path]) => {
    const found = [...path.matchAll(/M(\d+) (\d+)h(\d+)v1h-(\d+)z/g)].flatMap(([, x, y, width, back]) => {
      expect(back).toBe(width);
      return Array.from({ length: Number(width) }, (_, i) => `${lines[Number(y)]} - ${lines[Number(x) + i]}`);
    });
    return [colour, found.sort()] as const;
  });
  return Object.fromEntries(patches.filter(([, found]) => found.length > 0));
}

/** Both ways. */
const pairs = (...couples: [string, string][]): string[] =>
  [...new Set(couples.flatMap(([a, b]) => [`${a} - ${b}`, `${b} - ${a}`]))].sort();

describe('drawDependencyGraph', () => {
  it('couples outputs with the inputs that they feed, and both sides of operators', () => {
    const svg = drawDependencyGraph(graphOf(residualNetwork()));
    expect(names(svg)).toEqual(['a', 'relu', 'b', 'add', 'c']);
    const { '#d9d9d9': within, ...groups } = cells(svg);
    expect(within).toEqual(pairs(['relu in', 'relu out'], ['add in', 'add out']));
    expect(Object.values(groups)).toEqual([
      pairs(
        ['a out', 'relu in'],
        ['relu out', 'b in'],
        ['b out', 'add in'],
        ['relu out', 'add in'],
        ['add out', 'c in'],
      ),
    ]);
  });
});

describe('drawGroups', () => {
  it('couples every side of a group with every other', () => {
    const svg = drawGroups(graphOf(residualNetwork()));
    expect(names(svg)).toEqual(['a', 'b', 'c']);
    const members = ['a out', 'b in', 'b out', 'c in'];
    expect(Object.values(cells(svg))).toEqual([
      members.flatMap((row) => members.map((column) => `${row} - ${column}`)).sort(),
    ]);
    expect(svg).toContain('<title>group 0: b, 4 channels</title>');
  });

  it('draws the groups that it is given, under a title, in cells of a size', () => {
    const graph = graphOf(concatNetwork());
    const groups = [graph.getPruningGroup('b', pruneConvOutChannels, [0])];
    const svg = drawGroups(graph, { groups, title: 'b & c', cellSize: 20 });
    const members = ['b out', 'c in'];
    expect(Object.values(cells(svg))).toEqual([
      members.flatMap((row) => members.map((column) => `${row} - ${column}`)).sort(),
    ]);
    expect(svg).toContain('>b &amp; c</text>');
    expect(svg).toMatch(/scale\(20\)/);
  });

  it('is well-formed whatever the names', () => {
    const svg = drawGroups(graphOf(namedNetwork('less < "more" & >')));
    expect(names(svg)).toEqual(['less &lt; &quot;more&quot; &amp; &gt;', 'last']);
    const open: string[] = [];
    for (const [, close, tag, empty] of svg.matchAll(/<(\/?)([a-z]+)(?: [a-z-]+="[^"<>&]*")*(\/?)>/gi)) {
      if (close) expect(open.pop()).toBe(tag);
      else if (!empty) open.push(tag);
    }
    expect(open).toEqual([]);
    expect(svg.replace(/<\/?[a-z]+(?: [a-zA-Z:-]+="[^"<>]*")*\/?>/g, '')).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;)/);
  });
});
