/**
 * Sums over positions of everything that a least-squares fit needs: products of rows with rows, and of rows with targets.
 * onnxruntime computes them batch by batch, in a graph that is emitted for the layer; they are summed up here in float64.
 * It must not know what is fitted.
 */
import { DataType, type Model } from '@onnx-pruning/onnx';
import type { LinearMap } from '@onnx-pruning/ops';
import { createSession, type Session, type SessionOptions, valueNumbers } from '@onnx-pruning/runtime';
import { RecoveryError } from '../errors.ts';
import { type Matrix, matrix } from '../solve/matrix.ts';
import {
  beginSeenGraph,
  emitSpread,
  endSeenGraph,
  feedsOf,
  positionsIn,
  type Seen,
  type Summed,
} from './seen-graph.ts';

/** Sums over positions of x x', x y', x, y and y^2 for the rows x and targets y of one group. */
export interface Moments {
  readonly xx: Matrix;
  readonly xy: Matrix;
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly yy: Float64Array;
  /** Positions. */
  count: number;
}

export function emptyMoments({ inputs, outputs }: Pick<LinearMap, 'inputs' | 'outputs'>): Moments {
  return {
    xx: matrix(inputs, inputs),
    xy: matrix(inputs, outputs),
    x: new Float64Array(inputs),
    y: new Float64Array(outputs),
    yy: new Float64Array(outputs),
    count: 0,
  };
}

const SUMS = ['xx', 'xy', 'x', 'y', 'yy'] as const;
const numbersOf = (moments: Moments, sum: (typeof SUMS)[number]): Float64Array =>
  sum === 'xx' || sum === 'xy' ? moments[sum].data : moments[sum];

/** Adds the moments of other positions. */
export function addMoments(to: Moments, other: Moments): void {
  for (const sum of SUMS) addTo(numbersOf(to, sum), numbersOf(other, sum));
  to.count += other.count;
}

function addTo(sums: Float64Array, numbers: ArrayLike<number>): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += numbers[i]!;
}

/** What onnxruntime gives for one batch: means, and sums of products about them, of all groups behind each other. */
type Centred = Readonly<Record<(typeof SUMS)[number], ArrayLike<number>>>;

/** Adds a batch to the sums of one group: sum x y' = sum (x - p)(y - q)' + n p q', in float64. */
function addCentred(to: Moments, { xx, xy, x, y, yy }: Centred, group: number, count: number): void {
  to.count += count;
  const [inputs, outputs] = [to.x.length, to.y.length];
  const [fromX, fromY] = [group * inputs, group * outputs];
  for (let i = 0; i < inputs; i++) {
    const mean = x[fromX + i]! * count;
    to.x[i]! += mean;
    let at = i * inputs;
    let from = group * inputs * inputs + at;
    for (let j = 0; j < inputs; j++, at++, from++) to.xx.data[at]! += xx[from]! + mean * x[fromX + j]!;
    at = i * outputs;
    from = group * inputs * outputs + at;
    for (let j = 0; j < outputs; j++, at++, from++) to.xy.data[at]! += xy[from]! + mean * y[fromY + j]!;
  }
  for (let j = 0; j < outputs; j++) {
    const mean = y[fromY + j]!;
    to.y[j]! += mean * count;
    to.yy[j]! += yy[fromY + j]! + count * mean ** 2;
  }
}

/** How moments are computed. */
export interface MomentsOptions {
  /** Whether `add` is told which positions count. */
  readonly someOnly: boolean;
  /** In which the products of one batch are summed. */
  readonly precision: 'float32' | 'float64';
}

/** A session that computes the moments of one layer. */
export class MomentsRun {
  readonly #layer: Summed;
  readonly #session: Session;

  private constructor(layer: Summed, session: Session) {
    this.#layer = layer;
    this.#session = session;
  }

  /**
   * @param model whose operator sets count
   * @param like what one batch shows: types and ranks are taken from it
   */
  static async open(
    model: Model,
    layer: Summed,
    like: Seen,
    options: MomentsOptions,
    session: SessionOptions,
  ): Promise<MomentsRun> {
    return new MomentsRun(layer, await createSession(momentsModel(model, layer, like, options), session));
  }

  /**
   * Adds what one batch shows.
   * @param to the moments of every group
   * @param positions which ones count; by default all
   * @throws RecoveryError where a sum is not finite
   */
  async add(to: readonly Moments[], seen: Seen, positions?: BigInt64Array): Promise<void> {
    const found = await this.#session.run({
      ...feedsOf(seen),
      ...(positions && { positions: { dataType: DataType.INT64, dims: [positions.length], data: positions } }),
    });
    const count = positions?.length ?? positionsIn(this.#layer, seen);
    const batch = Object.fromEntries(SUMS.map((sum) => [sum, valueNumbers(found[sum]!)])) as Centred;
    for (const [g, moments] of to.entries()) {
      addCentred(moments, batch, g, count);
      if (![...moments.x, ...moments.yy].every(Number.isFinite)) throw this.#notFinite(moments);
    }
  }

  #notFinite({ x }: Moments): RecoveryError {
    const { name, node, input, target } = this.#layer;
    return new RecoveryError('RECOVERY_NOT_FINITE', 'calibration data leads to values that are not finite', {
      node: name,
      operator: node.opType,
      value: x.every(Number.isFinite) ? target.value : input,
      expected: 'finite numbers',
      repair: 'Check the data: its scale, its preprocessing, and that it holds no NaN.',
    });
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}

/** Inputs: the layer's input, the original's value, what is added to the output, and the positions that count. */
function momentsModel(model: Model, layer: Summed, like: Seen, { someOnly, precision }: MomentsOptions): Model {
  const graph = beginSeenGraph(model, layer, like, someOnly);
  const { editor } = graph;
  const wide = (value: string): string =>
    precision === 'float64' ? editor.node('Cast', [value], { to: DataType.DOUBLE }) : value;
  const x = emitSpread(editor, wide(graph.choose(layer.map.emitRows(editor, graph.input, graph.elemType))));
  const y = emitSpread(editor, wide(graph.target));
  const turned = editor.node('Transpose', [x.about], { perm: [0, 2, 1] });
  return endSeenGraph(graph, {
    xx: editor.node('MatMul', [turned, x.about]),
    xy: editor.node('MatMul', [turned, y.about]),
    x: x.mean,
    y: y.mean,
    yy: y.squares,
  });
}
