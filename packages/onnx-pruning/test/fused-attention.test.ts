/** Attention in one operator: whole heads are a dimension of every form of it, and half of them can go. */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { cases as attention } from '../../ops/cases/attention.cases.ts';
import type { OperatorCase } from '../../ops/cases/case.ts';
import { cases as multiHead } from '../../ops/cases/multi-head-attention.cases.ts';
import { cases as rotary } from '../../ops/cases/rotary-embedding.cases.ts';
import { describeDimension, dimensionsOf, verifyHalf } from './dimensions.ts';

const SEPARATE = ['4 heads: query out 16, key out 16, value out 12, last in 12'];
const SHARED = ['2 heads: query out 16, key out 8, value out 6, last in 12', '2 heads: query out 16, last in 12'];

/** Heads by case, where they are not four of queries, keys and values alike. */
const HEADS: Readonly<Record<string, readonly string[]>> = {
  'Attention: one head is not a group of heads': [],
  'Attention: two queries share a key': SHARED,
  'Attention: heads on an axis of their own, two queries share a key': SHARED,
  'Attention: keys and values of the past are inputs of the graph, so are their heads': [],
  'Attention of com.microsoft: weights of queries, keys and values side by side': [
    '4 heads: attention out 48, last in 16',
  ],
  'Attention of com.microsoft: fewer values than keys, the scale is not stated': [
    '4 heads: attention out 44, last in 12',
  ],
};

const TWO = ['2 heads: query out 16, key out 16, value out 12, last in 12'];

const expected: readonly (readonly [OperatorCase, readonly string[]])[] = [
  ...[...attention, ...multiHead].map((example) => [example, HEADS[example.name] ?? SEPARATE] as const),
  ...rotary.map((example) => [example, TWO] as const),
];

function modelOf(example: OperatorCase): Model {
  const builder = new GraphBuilder({ opset: example.opset, opsets: { 'com.microsoft': 1 } });
  example.build(builder);
  return builder.build();
}

describe.each(expected.map(([example, heads]) => [example.name, example, heads] as const))(
  '%s',
  (_, example, heads) => {
    it('has the heads worked out by hand', () => {
      const graph = new DependencyGraph().buildDependency(modelOf(example));
      const found = dimensionsOf(graph).map((dimension) => describeDimension(graph, dimension));
      expect(found.filter((line) => line.includes('heads'))).toEqual(heads);
    });

    it('computes the same with half of any dimension pruned', async () => {
      const build = async (): Promise<Model> => modelOf(example);
      const count = dimensionsOf(new DependencyGraph().buildDependency(modelOf(example))).length;
      for (let i = 0; i < count; i++) {
        const { outputs } = await verifyHalf(build, i, example.ranges);
        expect(outputs.filter(({ ok }) => !ok)).toEqual([]);
      }
    });
  },
);
