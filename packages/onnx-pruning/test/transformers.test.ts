/**
 * Attention, encoder blocks and windows as exporters write them: the dimensions that are found are those worked out by
 * hand, whole heads included, and half of each of them can be pruned.
 */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { checkModel, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { verify } from '@onnx-pruning/proof';
import { BasePruner, GroupMagnitudeImportance } from '@onnx-pruning/pruning';
import { parameter, project } from '../../ops/cases/blocks.ts';
import {
  apart,
  attended,
  FEATURES,
  fusedIndexed,
  fusedSplit,
  groupedQueries,
  HEAD_DIM,
  type Heads,
  rotated,
  scaled,
  scaledBySize,
  scores,
  separate,
  TOKENS,
  together,
  tokens,
} from './attention-blocks.ts';
import { describeDimension, dimensionsOf, sizesOf, verifyHalf } from './dimensions.ts';
import { gpt, llama, mergedWithBatch, visionTransformer, windows } from './transformer-blocks.ts';

interface Structure {
  readonly name: string;
  build(b: GraphBuilder): void;
  /** Worked out by hand, in graph order. */
  readonly dimensions: readonly string[];
  readonly because?: RegExp;
  readonly ranges?: Readonly<Record<string, readonly [number, number]>>;
}

function modelOf(structure: Structure): Model {
  const b = new GraphBuilder({ opset: 17 });
  structure.build(b);
  return b.build();
}

/** Attention on tokens of heads made in some way. */
function selfAttention(make: (b: GraphBuilder, x: string) => Heads, scale = scaled, features = FEATURES) {
  return (b: GraphBuilder): void => {
    const heads = make(b, tokens(b));
    b.output(attended(b, scale(b, heads), heads.v, features));
  };
}

const SEPARATE = [
  '3 heads: q out 12, k out 12, v out 12, last in 12',
  'q out 12, k out 12',
  'v out 12, last in 12',
] as const;

const heads: readonly Structure[] = [
  {
    name: 'separate queries, keys and values: heads are shared by all, channels by queries and keys',
    build: selfAttention(separate),
    dimensions: SEPARATE,
  },
  {
    name: 'queries, keys and values of one layer, split in three',
    build: selfAttention(fusedSplit),
    dimensions: ['3 heads: qkv out 36, last in 12', 'qkv out 24', 'qkv out 12, last in 12'],
  },
  {
    name: 'queries, keys and values of one layer, on an axis of three: all have the same channels',
    build: selfAttention(fusedIndexed),
    dimensions: ['3 heads: qkv out 36, last in 12', 'qkv out 36, last in 12'],
  },
  {
    name: 'grouped queries: key heads, queries of each, channels',
    build: selfAttention(groupedQueries, scaled, 16),
    dimensions: [
      '2 heads: q out 16, k out 8, v out 8, last in 16',
      '2 heads: q out 16, last in 16',
      'q out 16, k out 8',
      'v out 8, last in 16',
    ],
  },
  {
    name: 'rotary embedding written out: the channels that are turned together are one',
    build: selfAttention(rotated),
    dimensions: ['3 heads: q out 12, k out 12, v out 12, last in 12', 'q out 12, k out 12', 'v out 12, last in 12'],
  },
];

const scales: readonly Structure[] = [
  {
    name: 'a scale that the graph computes from the number of channels stays what it was',
    build: selfAttention(separate, scaledBySize),
    dimensions: SEPARATE,
  },
  {
    name: 'a mask that is added to the scores couples nothing',
    build: (b) => {
      const parts = separate(b, tokens(b));
      const masked = b.node('Add', [scaled(b, parts), b.input('mask', ['batch', 1, 1, TOKENS])]);
      b.output(attended(b, masked, parts.v));
    },
    dimensions: SEPARATE,
  },
  {
    name: 'a bias of the scores for every head goes with its head',
    build: (b) => {
      const parts = separate(b, tokens(b));
      const inputs = [scaled(b, parts), parameter(b, 'positions.bias', [1, 3, TOKENS, TOKENS])];
      b.output(attended(b, b.node('Add', inputs, {}, { name: 'positions' }), parts.v));
    },
    dimensions: [
      '3 heads: q out 12, k out 12, v out 12, positions out 3, last in 12',
      'q out 12, k out 12',
      'v out 12, last in 12',
    ],
  },
  {
    name: 'keys and values of earlier steps are inputs of the graph, and so are their heads',
    build: (b) => {
      const { q, k, v } = separate(b, tokens(b));
      const past = (value: string, now: string): string => {
        const joined = b.node('Concat', [b.input(value, ['batch', 3, 'past', HEAD_DIM]), now], { axis: 2 });
        b.output(joined);
        return joined;
      };
      const keys = b.node('Transpose', [past('past_key', k)], { perm: [0, 1, 3, 2] });
      b.output(attended(b, b.node('MatMul', [q, keys]), past('past_value', v)));
    },
    dimensions: [],
    because: /axis of the graph input 'past_value'/,
  },
];

const blocks: readonly Structure[] = [
  {
    name: 'heads merged with the batch: the channels of a head are found',
    build: mergedWithBatch,
    dimensions: SEPARATE,
  },
  {
    name: 'a vision transformer: residual stream through layer normalizations, heads, MLP',
    build: visionTransformer,
    dimensions: [
      'patch out 12, position out 12, norm1 out 12, q in 12, k in 12, v in 12, last out 12, norm2 out 12, fc1 in 12, fc2 out 12, norm3 out 12, head in 12 (inexact)',
      ...SEPARATE,
      'fc1 out 24, fc2 in 24',
    ],
  },
  {
    name: 'windows and merged patches: the features of a place, four times behind the merger',
    build: windows,
    dimensions: ['embed out 12, q in 12, k in 12, v in 12, last out 12, merge in 48', ...SEPARATE],
  },
  {
    name: 'layers on a matrix of all tokens, shapes that are computed',
    build: gpt,
    dimensions: ['3 heads: qkv out 36, last in 12', 'qkv out 24', 'qkv out 12, last in 12'],
  },
  {
    name: 'an embedding that is the last layer as well, grouped queries with computed shapes, a gated MLP',
    build: llama,
    dimensions: [
      'embedding out 12, norm1 out 12, q in 12, k in 12, v in 12, last out 12, norm2 out 12, gate in 12, up in 12, down out 12, norm3 out 12, MatMul_2 in 12 (inexact)',
      '2 heads: q out 16, k out 8, v out 8, last in 16',
      '2 heads: q out 16, last in 16',
      'q out 16, k out 8',
      'v out 8, last in 16',
      'gate out 20, up out 20, down in 20',
    ],
    ranges: { ids: [0, 20] },
  },
  {
    name: 'attention over another sequence: queries of one, keys and values of the other',
    build: (b) => {
      const memory = project(b, 'memory', b.input('m', ['batch', 7, 5]), 5, FEATURES);
      const q = apart(b, project(b, 'q', tokens(b), FEATURES, FEATURES));
      const kv = b.node('Reshape', [project(b, 'kv', memory, FEATURES, 24), b.ints('two', [0, 0, 2, 3, HEAD_DIM])]);
      const turned = b.node('Transpose', [kv], { perm: [2, 0, 3, 1, 4] });
      const [k, v] = [0, 1].map((i) => b.node('Gather', [turned, b.ints(`part${i}`, [i], [])], { axis: 0 }));
      const weights = b.node('Softmax', [scores(b, { q, k: k!, v: v! })], { axis: -1 });
      b.output(project(b, 'last', together(b, b.node('MatMul', [weights, v!])), FEATURES, 2));
    },
    dimensions: [
      'memory out 12, kv in 12',
      '3 heads: q out 12, kv out 24, last in 12',
      'q out 12, kv out 24, last in 12',
    ],
  },
];

describe.each([...heads, ...scales, ...blocks].map((structure) => [structure.name, structure] as const))(
  '%s',
  (_, structure) => {
    it('has the dimensions worked out by hand', () => {
      const model = modelOf(structure);
      checkModel(model);
      const graph = new DependencyGraph().buildDependency(model);
      const found = dimensionsOf(graph).map((dimension) => describeDimension(graph, dimension));
      expect(found.sort()).toEqual([...structure.dimensions].sort());
    });

    it('computes the same with half of any of them pruned', async () => {
      const build = async (): Promise<Model> => modelOf(structure);
      for (const i of structure.dimensions.keys()) {
        expect(await verifyHalf(build, i, structure.ranges)).toMatchObject({ ok: true });
      }
    });

    it.each(['same', 'independent'] as const)(
      'computes the same with half of all channels pruned, %s',
      async (groupSelection) => {
        const model = modelOf(structure);
        const pruner = new BasePruner(model, {
          importance: new GroupMagnitudeImportance(),
          pruningRatio: 0.5,
          groupSelection,
        });
        pruner.step();
        expect(pruner.plan().groups.length > 0).toBe(structure.dimensions.length > 0);
        expect(
          await verify(modelOf(structure), model, pruner.plan(), { dims: sizesOf(model), ranges: structure.ranges }),
        ).toMatchObject({
          ok: true,
        });
      },
    );

    if (structure.because) {
      it('says why the rest may not change', () => {
        const graph = new DependencyGraph().buildDependency(modelOf(structure));
        expect(graph.layers.map((layer) => graph.explain(layer)).join('\n')).toMatch(structure.because!);
      });
    }
  },
);
