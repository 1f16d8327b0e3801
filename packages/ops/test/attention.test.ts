/** Attention operators and Einsum: numbers of heads, costs and layouts, worked out by hand from the specifications. */
import { attentionOperators } from '../src/records/attention.ts';
import { einsumOperators } from '../src/records/einsum.ts';
import { multiHeadAttentionOperators } from '../src/records/multi-head-attention.ts';
import { rotaryOperators } from '../src/records/rotary-embedding.ts';
import {
  equationsOf,
  inferAll,
  inferDims,
  layerOf,
  macsOf,
  recordOf,
  resizesOf,
  type StubNode,
  weight,
} from './stub-node.ts';

const attention = recordOf(attentionOperators, 'Attention', 23);
const einsum = recordOf(einsumOperators, 'Einsum');
const multiHead = recordOf(multiHeadAttentionOperators, 'MultiHeadAttention', 1);
const packed = recordOf(multiHeadAttentionOperators, 'Attention', 1);
const rotary = recordOf(rotaryOperators, 'RotaryEmbedding', 23);

/** Batch 2; 5 queries of 4 heads and 6 keys of 2 heads with 8 channels, values with 3. */
const joined: StubNode = {
  inputs: { Q: [2, 5, 32], K: [2, 6, 16], V: [2, 6, 6] },
  attributes: { q_num_heads: 4, kv_num_heads: 2, scale: { float: 0.5 } },
};
const apart: StubNode = {
  inputs: { Q: [2, 4, 5, 8], K: [2, 2, 6, 8], V: [2, 2, 6, 3] },
  attributes: { scale: { float: 0.5 } },
};

/** Indices of the channels of some heads of this size. */
const channelsOf = (heads: readonly number[], size: number): number[] =>
  heads.flatMap((head) => Array.from({ length: size }, (_, c) => head * size + c));

describe('Attention', () => {
  it('has the sequence of the queries and the channels of the values, heads as in the inputs', () => {
    expect(inferDims(attention, joined)).toEqual([2, 5, 12]);
    expect(inferDims(attention, apart)).toEqual([2, 4, 5, 3]);
    expect(inferAll(attention, { ...apart, outputs: 4 }).map(({ dims }) => dims)).toEqual([
      [2, 4, 5, 3],
      [2, 2, 6, 8],
      [2, 2, 6, 3],
      [2, 4, 5, 6],
    ]);
  });

  it('puts the past before the keys', () => {
    const past = { ...apart.inputs, M: null, pk: [2, 2, 3, 8], pv: [2, 2, 3, 3] };
    expect(inferAll(attention, { ...apart, inputs: past, outputs: 2 })[1]?.dims).toEqual([2, 2, 9, 8]);
  });

  it('is not followed where the heads do not divide the channels', () => {
    const odd = { ...joined, attributes: { q_num_heads: 3, kv_num_heads: 1 } };
    expect(inferDims(attention, odd)).toBeUndefined();
    const unequal = { ...apart, inputs: { Q: [2, 3, 5, 8], K: [2, 2, 6, 8], V: [2, 2, 6, 3] } };
    expect(equationsOf(attention, unequal, /^freeze Q\[1\]/)).toEqual([
      'freeze Q[1]: the number of heads is not known',
    ]);
  });

  it('refuses keys of another size', () => {
    const wrong = { ...apart, inputs: { ...apart.inputs, K: [2, 2, 6, 7] } };
    expect(() => inferDims(attention, wrong)).toThrow(/channels of a head of K 8, found 7/);
  });

  it('writes the numbers of heads that are left', () => {
    const change = {
      after: { Q: [2, 5, 16], K: [2, 6, 8] },
      kept: { 'Q[2]': channelsOf([0, 1], 8), 'K[2]': channelsOf([0], 8) },
    };
    expect(resizesOf(attention, joined, change)).toEqual(['q_num_heads = 2', 'kv_num_heads = 1']);
  });

  it('keeps the numbers of heads where channels inside of them go', () => {
    const kept = [0, 1, 2, 3].map((head) => head * 8);
    expect(resizesOf(attention, joined, { after: { Q: [2, 5, 4] }, kept: { 'Q[2]': kept } })).toEqual([]);
  });

  it('multiplies every query with every key, and every weight with every value', () => {
    // 2 samples x 4 heads x 5 queries x 6 keys x (8 channels + 3 of the values)
    expect(macsOf(attention, joined)).toBe(2 * 4 * 5 * 6 * 11);
    expect(macsOf(attention, apart)).toBe(2 * 4 * 5 * 6 * 11);
  });
});

describe('attention of com.microsoft', () => {
  const plain: StubNode = { inputs: { Q: [2, 5, 8], K: [2, 6, 8], V: [2, 6, 4] }, attributes: { num_heads: 2 } };
  const own: StubNode = {
    inputs: { X: [2, 5, 6], W: weight(6, 24), B: weight(24) },
    attributes: { num_heads: 2 },
  };

  it('is not followed in packed layouts or with a cache', () => {
    const five = { ...plain, inputs: { Q: [2, 5, 2, 3, 4] } };
    expect(inferDims(multiHead, five)).toBeUndefined();
    const past = { ...own, inputs: { ...own.inputs, M: null, past: [2, 2, 2, 3, 4] } };
    expect(inferDims(packed, past)).toBeUndefined();
  });

  it('states the sizes of queries, keys and values once they differ', () => {
    // Every second channel of queries and keys goes, values stay.
    const even = [0, 2, 4, 6, 8, 10, 12, 14, ...channelsOf([2], 8)];
    expect(resizesOf(packed, own, { after: { W: [6, 16] }, kept: { 'W[1]': even } })).toEqual([
      'qkv_hidden_sizes = [4, 4, 8]',
      'scale = 0.5',
    ]);
  });

  it('writes the number of heads that are left', () => {
    const first = [0, 2, 4].flatMap((half) => channelsOf([half], 4));
    expect(resizesOf(packed, own, { after: { W: [6, 12] }, kept: { 'W[1]': first } })).toEqual(['num_heads = 1']);
  });

  it('counts the projection, the scores and the weighted sum', () => {
    expect(macsOf(multiHead, plain)).toBe(2 * 5 * 6 * (8 + 4));
    expect(macsOf(packed, own)).toBe(2 * 5 * 6 * 24 + 2 * 5 * 5 * (8 + 8));
  });
});

describe('RotaryEmbedding', () => {
  const head = (attributes: NonNullable<StubNode['attributes']>, columns: number): StubNode => ({
    inputs: { X: [2, 4, 5, 8], cos: [10, columns], sin: [10, columns], ids: [2, 5] },
    attributes,
  });

  it('turns channels half a head apart, or beside each other', () => {
    const two = 'fixed:2 (two channels are turned together)';
    expect(equationsOf(rotary, head({}, 4), /X\[3\] = \(/)).toEqual([`X[3] = (${two} x cos[1])`]);
    expect(equationsOf(rotary, head({ interleaved: 1 }, 4), /X\[3\] = \(/)).toEqual([`X[3] = (cos[1] x ${two})`]);
  });

  it('leaves channels behind rotary_embedding_dim alone', () => {
    const part = head({ rotary_embedding_dim: 4 }, 2);
    expect(equationsOf(rotary, part, /leaf:4/)).toHaveLength(1);
    expect(resizesOf(rotary, part, { after: { cos: [10, 1] } })).toEqual(['rotary_embedding_dim = 2']);
  });
});

describe('Einsum', () => {
  const of = (equation: string, inputs: StubNode['inputs']): StubNode => ({ inputs, attributes: { equation } });

  it('orders the letters of an implied result by the alphabet', () => {
    expect(inferDims(einsum, of('bshk,hkd', { X: [2, 5, 3, 4], Y: [3, 4, 8] }))).toEqual([2, 8, 5]);
    expect(inferDims(einsum, of('ba', { X: [2, 5] }))).toEqual([5, 2]);
  });

  it('stretches what an ellipsis stands for, and letters of one element', () => {
    expect(inferDims(einsum, of('...d,de->...e', { X: [2, 3, 5, 8], Y: weight(8, 4) }))).toEqual([2, 3, 5, 4]);
    expect(inferDims(einsum, of('...i,...i', { X: [3, 1, 5], Y: [4, 5] }))).toEqual([3, 4]);
    expect(inferDims(einsum, of('bi,bi->bi', { X: ['batch', 1], Y: ['batch', 4] }))).toEqual(['batch', 4]);
  });

  it('is unknown where equation and operands do not fit', () => {
    expect(inferDims(einsum, of('bi,ij->bj', { X: [2, 3, 4], Y: [4, 5] }))).toBeUndefined();
    expect(inferDims(einsum, of('...i->i', { X: [2, 3] }))).toBeUndefined();
    expect(equationsOf(einsum, of('bi->b', { X: [2, 3, 4] }), /freeze X\[0\]/)).toHaveLength(1);
  });

  it('sums over letters that the result lacks, in computed operands', () => {
    const sums = (node: StubNode) => equationsOf(einsum, node, /^sums/);
    expect(sums(of('bid,bjd->bij', { X: [2, 3, 8], Y: [2, 4, 8] }))).toEqual(['sums over X[2]', 'sums over Y[2]']);
    expect(sums(of('bsd,de->bse', { X: [2, 5, 8], W: weight(8, 4) }))).toEqual(['sums over X[2]']);
  });

  it('has a layer where one operand is a constant', () => {
    expect(layerOf(einsum, of('bsd,dhk->bhsk', { X: [2, 5, 8], W: weight(8, 2, 4) }))).toEqual({
      kind: 'linear',
      parameters: [
        { input: 1, role: 'weight', out: 1, in: 0 },
        { input: 1, role: 'weight', out: 2 },
      ],
    });
    expect(layerOf(einsum, of('bid,bjd->bij', { X: [2, 3, 8], Y: [2, 4, 8] }))).toBeNull();
    expect(layerOf(einsum, of('bi,i->bi', { X: [2, 3], W: weight(3) }))).toBeNull();
  });

  it('multiplies once for every combination of letters', () => {
    expect(macsOf(einsum, of('bsd,dhk->bhsk', { X: [2, 5, 8], W: weight(8, 2, 4) }))).toBe(2 * 5 * 8 * 2 * 4);
    expect(macsOf(einsum, of('ij->ji', { X: [2, 5] }))).toBe(0);
  });
});
