/** Drawings for Graphviz, read back by a strict parser. */
import { DependencyGraph, pruneConvOutChannels } from '@onnx-pruning/depgraph';
import { concatNetwork, namedNetwork, recurrentNetwork, residualNetwork } from '../../depgraph/test/networks.ts';
import { dependencyGraphToDot, groupsToDot } from '../src/index.ts';
import { type DotGraph, parseDot } from './dot-parser.ts';

const graphOf = (model: ReturnType<typeof residualNetwork>): DependencyGraph =>
  new DependencyGraph().buildDependency(model);
const arrows = ({ edges }: DotGraph): string[] => edges.map(({ from, to }) => `${from} -> ${to}`);
/** Background colours and texts of the cells of a label, in order. */
const cells = (label: string): string[][] =>
  [...label.matchAll(/<TD BGCOLOR="(#\w+)">([^<]*)/g)].map(([, colour, text]) => [text, colour]);

describe('dependencyGraphToDot', () => {
  it('draws an arrow for every value that carries free channels', () => {
    const dot = parseDot(dependencyGraphToDot(graphOf(residualNetwork())));
    expect(arrows(dot)).toEqual(['a -> relu', 'relu -> b', 'b -> add', 'relu -> add', 'add -> c']);
    expect(dot.edges.map(({ attributes }) => attributes.label)).toEqual(['4', '4', '4', '4', '4']);
    expect([...dot.nodes.keys()]).toEqual(['a', 'relu', 'b', 'add', 'c']);
    expect(dot.nodes.get('relu')).toEqual({ shape: 'ellipse', label: 'Relu' });
  });

  it('gives the channels of a group one colour, and other channels light grey', () => {
    const dot = parseDot(dependencyGraphToDot(graphOf(residualNetwork())));
    const sides = ['a', 'b', 'c'].map((name) => cells(dot.nodes.get(name)!.label));
    const [[, [, group]]] = sides;
    expect(sides).toEqual([
      [
        ['in 3', '#d9d9d9'],
        ['out 4', group],
      ],
      [
        ['in 4', group],
        ['out 4', group],
      ],
      [
        ['in 4', group],
        ['out 2', '#d9d9d9'],
      ],
    ]);
    expect(new Set(dot.edges.map(({ attributes }) => attributes.color))).toEqual(new Set([group]));
  });

  it('shows a concatenation as a strip of its groups', () => {
    const dot = parseDot(dependencyGraphToDot(graphOf(concatNetwork())));
    const [a, b] = ['a', 'b'].map((name) => cells(dot.nodes.get(name)!.label)[1][1]);
    expect(a).not.toBe(b);
    expect(cells(dot.nodes.get('c')!.label)).toEqual([
      ['in 6', '#ffffff'],
      ['4', a],
      ['2', b],
      ['out 2', '#d9d9d9'],
    ]);
    expect(dot.edges.map(({ attributes }) => attributes.color)).toEqual([a, b, '#707070']);
  });

  it('colours only the groups that it is given, in the direction that it is told', () => {
    const graph = graphOf(concatNetwork());
    const groups = [graph.getPruningGroup('b', pruneConvOutChannels, [0, 1])];
    const dot = parseDot(dependencyGraphToDot(graph, { groups, direction: 'LR' }));
    expect(dot.attributes.rankdir).toBe('LR');
    expect(dot.edges.map(({ attributes }) => attributes.color === '#d9d9d9')).toEqual([true, false, false]);
  });

  it.each(['quote " and \\', 'less < more > and &', '/layer/Conv', 'ünïcödé'])(
    'is valid with a layer named %s',
    (name) => {
      const graph = graphOf(namedNetwork(name));
      expect(parseDot(dependencyGraphToDot(graph)).edges).toMatchObject([{ from: name, to: 'last' }]);
      expect(parseDot(groupsToDot(graph)).subgraphs[0].attributes.label).toBe(`group 0: ${name}, 4 channels`);
    },
  );
});

describe('groupsToDot', () => {
  it('draws a cluster for every group, its members reached from the root', () => {
    const dot = parseDot(groupsToDot(graphOf(residualNetwork())));
    expect(dot.subgraphs.map(({ name, attributes }) => [name, attributes.label])).toEqual([
      ['cluster_0', 'group 0: b, 4 channels'],
    ]);
    const [cluster] = dot.subgraphs;
    expect([...cluster.nodes.keys()].sort()).toEqual(['0/a/out', '0/b/in', '0/b/out', '0/c/in']);
    expect(cluster.nodes.get('0/b/out')).toMatchObject({ label: 'b\nout (4)', peripheries: '2' });
    expect(arrows(cluster).sort()).toEqual(['0/b/in -> 0/a/out', '0/b/out -> 0/b/in', '0/b/out -> 0/c/in']);
  });

  it('lets a layer stand in several groups', () => {
    const dot = parseDot(groupsToDot(graphOf(concatNetwork())));
    const members = dot.subgraphs.map(({ nodes }) => [...nodes.values()].map(({ label }) => label).sort());
    expect(members.sort()).toEqual([
      ['a\nout (4)', 'c\nin (4)'],
      ['b\nout (2)', 'c\nin (2)'],
    ]);
  });

  it('draws every channel axis of a layer that has several', () => {
    const [cluster] = parseDot(groupsToDot(graphOf(recurrentNetwork()))).subgraphs;
    expect([...cluster.nodes.values()].map(({ label }) => label).sort()).toEqual([
      'c\nin (4)',
      'rnn\nin (4)',
      'rnn\nout (4)',
      'rnn\nout (8)',
    ]);
  });
});
