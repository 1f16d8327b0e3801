/** LSTM, GRU and RNN by example: every hidden unit is one channel, and its feedback is one of its consumers. */
import { type AttributeValue, DataType, type GraphBuilder } from '@onnx-pruning/onnx';
import { parameter, project } from './blocks.ts';
import type { OperatorCase } from './case.ts';

const GATES = { LSTM: 4, GRU: 3, RNN: 1 } as const;
type Cell = keyof typeof GATES;

interface Options {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly directions?: 1 | 2;
  /** Further inputs, from the bias on; an empty name is an absent one. Default: a bias. */
  readonly inputs?: readonly string[];
  readonly name?: string;
}

/** A recurrent layer `rnn` of `hidden` units; outputs Y, Y_h and, of an LSTM, Y_c. */
function recurrent(
  b: GraphBuilder,
  cell: Cell,
  x: string,
  features: number,
  hidden: number,
  { attributes, directions = 1, inputs, name = 'rnn' }: Options = {},
): string[] {
  const rows = GATES[cell] * hidden;
  const weights = [
    parameter(b, `${name}.weight`, [directions, rows, features]),
    parameter(b, `${name}.recurrence`, [directions, rows, hidden]),
  ];
  const rest = inputs ?? [parameter(b, `${name}.bias`, [directions, 2 * rows])];
  const all = { hidden_size: hidden, ...attributes };
  return b.nodeOutputs(cell, [x, ...weights, ...rest], all, { name, outputs: cell === 'LSTM' ? 3 : 2 });
}

const steps = (b: GraphBuilder): string => b.input('x', ['seq', 'n', 3]);

/** Layer `last` on the states of every step of a recurrent layer that runs in one direction. */
function lastOfSteps(b: GraphBuilder, y: string | undefined, hidden: number, opset: number): void {
  const squeezed =
    opset < 13 ? b.node('Squeeze', [y!], { axes: [1] }) : b.node('Squeeze', [y!, b.ints('directions', [1])]);
  b.output(project(b, 'last', squeezed, hidden, 2));
}

/** Layer `last` on a state `[1, batch, hidden]`. */
function lastOfState(b: GraphBuilder, state: string | undefined, hidden: number): void {
  b.output(project(b, 'last', state!, hidden, 2));
}

/** Members of a recurrent layer with a bias: its bias (twice per gate), rows of the weights, columns of the recurrence. */
function members(cell: Cell, hidden: number, name = 'rnn'): string {
  const rows = GATES[cell] * hidden;
  return `${name} out ${2 * rows}, ${name} out ${rows}, ${name} in ${hidden}`;
}

const versions: readonly OperatorCase[] = (['LSTM', 'GRU', 'RNN'] as const).flatMap((cell) =>
  [7, 14, 22].map(
    (opset): OperatorCase => ({
      name: `${cell} ${opset}: features in, states of every step out`,
      opset,
      build: (b) => {
        const x = project(b, 'first', steps(b), 3, 6);
        lastOfSteps(b, recurrent(b, cell, x, 6, 4)[0], 4, opset);
      },
      groups: ['first out 6, rnn in 6', `${members(cell, 4)}, last in 4`],
    }),
  ),
);

const options: readonly OperatorCase[] = [
  {
    name: 'LSTM: the last hidden state and the last cell state',
    opset: 17,
    build: (b) => {
      const [, hidden, cell] = recurrent(b, 'LSTM', steps(b), 3, 4);
      lastOfState(b, b.node('Add', [hidden!, cell!]), 4);
    },
    groups: [`${members('LSTM', 4)}, last in 4`],
  },
  {
    name: 'LSTM: no bias',
    opset: 17,
    build: (b) => lastOfSteps(b, recurrent(b, 'LSTM', steps(b), 3, 4, { inputs: [] })[0], 4, 17),
    groups: ['rnn out 16, rnn in 4, last in 4'],
  },
  {
    name: 'LSTM: backwards, with initial states, lengths and peepholes',
    opset: 17,
    build: (b) => {
      const states = ['initial_h', 'initial_c'].map((name) => parameter(b, name, [1, 2, 4]));
      const lengths = b.initializer('lengths', [2], [3, 6], DataType.INT32);
      const inputs = ['', lengths, ...states, parameter(b, 'rnn.peephole', [1, 12])];
      const attributes = { direction: 'reverse', input_forget: 0, clip: { float: 3 } };
      const x = b.input('x', ['seq', 2, 3]);
      lastOfSteps(b, recurrent(b, 'LSTM', x, 3, 4, { attributes, inputs })[0], 4, 17);
    },
    groups: ['rnn out 16, rnn out 12, rnn in 4, last in 4'],
  },
  {
    name: 'LSTM: an initial state computed by a layer has the same units',
    opset: 17,
    build: (b) => {
      const state = project(b, 'start', b.input('s', [1, 'n', 5]), 5, 4);
      const bias = parameter(b, 'rnn.bias', [1, 32]);
      lastOfState(b, recurrent(b, 'LSTM', steps(b), 3, 4, { inputs: [bias, '', state, state] })[1], 4);
    },
    groups: [`start out 4, ${members('LSTM', 4)}, last in 4`],
  },
  {
    name: 'GRU: the reset gate after the recurrence',
    opset: 17,
    build: (b) => {
      const attributes = { linear_before_reset: 1 };
      lastOfSteps(b, recurrent(b, 'GRU', steps(b), 3, 4, { attributes })[0], 4, 17);
    },
    groups: [`${members('GRU', 4)}, last in 4`],
  },
  {
    name: 'RNN: another activation',
    opset: 17,
    build: (b) => {
      const attributes = { activations: ['Relu'] };
      lastOfSteps(b, recurrent(b, 'RNN', steps(b), 3, 4, { attributes })[0], 4, 17);
    },
    groups: [`${members('RNN', 4)}, last in 4`],
  },
];

const zeros: OperatorCase = {
  name: 'LSTM: two layers that start from the same zeros have units of their own',
  opset: 17,
  build: (b) => {
    const start = b.initializer('zeros', [1, 2, 4], new Array(8).fill(0));
    const of = (name: string): Options => ({ name, inputs: [parameter(b, `${name}.bias`, [1, 32]), '', start, start] });
    const first = recurrent(b, 'LSTM', b.input('x', ['seq', 2, 3]), 3, 4, of('rnn1'))[0];
    const inner = b.node('Squeeze', [first!, b.ints('axis', [1])]);
    lastOfSteps(b, recurrent(b, 'LSTM', inner, 4, 4, of('rnn2'))[0], 4, 17);
  },
  groups: [`${members('LSTM', 4, 'rnn1')}, rnn2 in 4`, `${members('LSTM', 4, 'rnn2')}, last in 4`],
};

/** Both directions side by side, as exporters join them: `[seq, batch, 2 * hidden]`. */
function joined(b: GraphBuilder, name: string, y: string | undefined): string {
  const turned = b.node('Transpose', [y!], { perm: [0, 2, 1, 3] });
  return b.node('Reshape', [turned, b.ints(`${name}_joined`, [0, 0, -1])]);
}

const bidirectional: readonly OperatorCase[] = (['LSTM', 'GRU', 'RNN'] as const).map((cell) => ({
  name: `${cell}: two layers in both directions, which lose the same units`,
  opset: 17,
  build: (b) => {
    const both = { attributes: { direction: 'bidirectional' }, directions: 2 } as const;
    const first = recurrent(b, cell, steps(b), 3, 4, { ...both, name: 'rnn1' })[0];
    const second = recurrent(b, cell, joined(b, 'first', first), 8, 6, { ...both, name: 'rnn2' })[0];
    b.output(project(b, 'last', joined(b, 'second', second), 12, 2));
  },
  groups: [`${members(cell, 4, 'rnn1')}, rnn2 in 8`, `${members(cell, 6, 'rnn2')}, last in 12`],
}));

export const cases: readonly OperatorCase[] = [...versions, ...options, zeros, ...bidirectional];
