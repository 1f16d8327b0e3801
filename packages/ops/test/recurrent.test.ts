/** LSTM, GRU and RNN: what the cases cannot show, since onnxruntime runs no model that puts the batch first. */
import { recurrentOperators } from '../src/records/recurrent.ts';
import { equationsOf, inferAll, layerOf, macsOf, recordOf, resizesOf, type StubNode, weight } from './stub-node.ts';

const lstm = recordOf(recurrentOperators, 'LSTM');
const gru = recordOf(recurrentOperators, 'GRU');
const rnn = recordOf(recurrentOperators, 'RNN');

/** 3 features, 4 hidden units, 5 steps, and a batch of 2. */
function node(gates: number, directions: 1 | 2, more: Partial<StubNode> = {}): StubNode {
  const direction = directions === 2 ? 'bidirectional' : 'reverse';
  return {
    inputs: { X: [5, 2, 3], W: weight(directions, 4 * gates, 3), R: weight(directions, 4 * gates, 4) },
    outputs: 2,
    ...more,
    attributes: { hidden_size: 4, direction, ...more.attributes },
  };
}

const batchFirst: StubNode = {
  ...node(4, 2, { attributes: { layout: 1 }, outputs: 3 }),
  inputs: { ...node(4, 2).inputs, X: [2, 'steps', 3], B: weight(2, 32), L: null, h: weight(2, 2, 4) },
};

describe('shapes', () => {
  it('are steps, directions, batch and units; the last states have no steps', () => {
    expect(inferAll(gru, node(3, 2)).map(({ dims }) => dims)).toEqual([
      [5, 2, 2, 4],
      [2, 2, 4],
    ]);
    expect(inferAll(rnn, node(1, 1)).map(({ dims }) => dims)).toEqual([
      [5, 1, 2, 4],
      [1, 2, 4],
    ]);
  });

  it('layout 1 puts the batch first', () => {
    expect(inferAll(lstm, batchFirst).map(({ dims }) => dims)).toEqual([
      [2, 'steps', 2, 4],
      [2, 2, 4],
      [2, 2, 4],
    ]);
  });

  it('that contradict each other are refused', () => {
    const wrong = { ...node(4, 1).inputs, W: weight(1, 12, 3) };
    expect(() => inferAll(lstm, node(4, 1, { inputs: wrong }))).toThrow(/axis 1 of W of size 16, found 12/);
    const states = { ...batchFirst.inputs, h: weight(2, 3, 4) };
    expect(() => inferAll(lstm, { ...batchFirst, inputs: states })).toThrow(/the initial state of size 2, found 3/);
  });

  it('are unknown where the input is', () => {
    const unknown = node(4, 1, { inputs: { ...node(4, 1).inputs, X: { dims: undefined } } });
    expect(inferAll(lstm, unknown).map(({ dims }) => dims)).toEqual([undefined, undefined]);
  });
});

describe('hidden units', () => {
  it('are rows of every gate, columns of the recurrence, and the last axis of every state', () => {
    const units = equationsOf(lstm, batchFirst, /R\[2\]/);
    expect(units).toEqual([
      'W[1] = (fixed:4 (every hidden unit has a row in each block of gates) x R[2])',
      'B[1] = (fixed:8 (every hidden unit has a row in each block of gates) x R[2])',
      'Y[3] = R[2]',
      'h[2] = R[2]',
      'Y1[2] = R[2]',
      'Y2[2] = R[2]',
      'sums over R[2]',
    ]);
    expect(equationsOf(lstm, batchFirst, /R\[1\]/)).toEqual(['R[1] = W[1]']);
  });

  it('layout 1: the batch is axis 0 of everything but the weights', () => {
    expect(equationsOf(lstm, batchFirst, /= X\[0\]/)).toEqual([
      'Y[0] = X[0]',
      'h[0] = X[0]',
      'Y1[0] = X[0]',
      'Y2[0] = X[0]',
    ]);
  });

  it('are stated by hidden_size', () => {
    expect(resizesOf(lstm, node(4, 1), { after: { R: [1, 12, 3] } })).toEqual(['hidden_size = 3']);
  });

  it('have weights and biases as a layer, unless the weights are computed', () => {
    expect(layerOf(lstm, batchFirst)).toEqual({
      kind: 'lstm',
      parameters: [
        { input: 1, role: 'weight', out: 1, in: 2 },
        { input: 2, role: 'weight', out: 1, in: 2 },
        { input: 3, role: 'bias', out: 1 },
      ],
    });
    expect(layerOf(lstm, node(4, 1, { inputs: { ...node(4, 1).inputs, W: [1, 16, 3] } }))).toBeNull();
  });
});

it('counts features and hidden units for every row, step, sample and direction', () => {
  // 5 steps x 2 samples x 2 directions x 16 rows x (3 features + 4 units)
  expect(macsOf(lstm, node(4, 2))).toBe(2240);
  expect(macsOf(rnn, node(1, 1))).toBe(5 * 2 * 4 * 7);
});
