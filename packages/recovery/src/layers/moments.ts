/**
 * Sums over positions of everything that a least-squares fit needs: products of rows with rows, and of rows with targets.
 * onnxruntime computes them batch by batch, in a graph that is emitted for the layer; they are summed up here in float64.
 * It must not know what is fitted.
 */
import { DataType, GraphBuilder, GraphEditor, type Model, makeTensor } from '@onnx-pruning/onnx';
import type { LinearMap } from '@onnx-pruning/ops';
import {
  createSession,
  type Session,
  type SessionOptions,
  type TensorValue,
  valueNumbers,
} from '@onnx-pruning/runtime';
import { RecoveryError } from '../errors.ts';
import { type Matrix, matrix } from '../solve/matrix.ts';
import type { Refittable } from './refittable.ts';

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

/** What one batch shows of a layer. */
export interface Seen {
  readonly input: TensorValue;
  /** `target.value` in the original. */
  readonly target: TensorValue;
  /** `target.added` in the pruned model. */
  readonly added: TensorValue | undefined;
}

/** Positions at which the layer gives channels. */
export function positionsIn({ map }: Refittable, { target }: Seen): number {
  const channels = target.dims.at(map.outputAxis) ?? 1;
  return channels === 0 ? 0 : target.data.length / channels;
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
  readonly #layer: Refittable;
  readonly #session: Session;

  private constructor(layer: Refittable, session: Session) {
    this.#layer = layer;
    this.#session = session;
  }

  /**
   * @param model whose operator sets count
   * @param like what one batch shows: types and ranks are taken from it
   */
  static async open(
    model: Model,
    layer: Refittable,
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
    const { input, target, added } = seen;
    const found = await this.#session.run({
      input,
      target,
      ...(added && { added }),
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
function momentsModel(model: Model, layer: Refittable, like: Seen, { someOnly, precision }: MomentsOptions): Model {
  const { map } = layer;
  // From 13 on ReduceSum takes its axes as an input; up to 17 ReduceMean has them as an attribute.
  const b = new GraphBuilder({ opset: Math.min(17, Math.max(13, model.opset())) });
  const declare = (name: string, value: TensorValue): string =>
    b.input(
      name,
      value.dims.map((_, axis) => `${name}${axis}`),
      value.dataType,
    );
  const [input, original] = [declare('input', like.input), declare('target', like.target)];
  const added = like.added && declare('added', like.added);
  if (someOnly) b.input('positions', ['positions'], DataType.INT64);
  const built = b.build();
  const editor = new GraphEditor(built);
  // Half precision is too coarse for sums.
  const elemType = like.input.dataType === DataType.DOUBLE ? DataType.DOUBLE : DataType.FLOAT;
  const cast = (value: string): string => editor.node('Cast', [value], { to: elemType });
  const choose = (rows: string): string => (someOnly ? editor.node('Gather', [rows, 'positions'], { axis: 1 }) : rows);
  const wide = (value: string): string =>
    precision === 'float64' ? editor.node('Cast', [value], { to: DataType.DOUBLE }) : value;
  const outputs = (value: string): string => choose(map.emitOutputs(editor, cast(value)));
  const x = wide(choose(map.emitRows(editor, cast(input), elemType)));
  const kept = emitKept(editor, layer, original, like.target.dims.length);
  const y = wide(emitTarget(editor, layer, { original: outputs(kept), added: added && outputs(added), elemType }));
  const axes = editor.initializer(makeTensor('axes', DataType.INT64, [1], [1]));
  const [meanX, meanY] = [x, y].map((rows) => editor.node('ReduceMean', [rows], { axes: [1] })) as [string, string];
  // Products of large numbers that hardly vary would lose what varies.
  const [fromX, fromY] = [editor.node('Sub', [x, meanX]), editor.node('Sub', [y, meanY])];
  const turned = editor.node('Transpose', [fromX], { perm: [0, 2, 1] });
  const results = {
    xx: editor.node('MatMul', [turned, fromX]),
    xy: editor.node('MatMul', [turned, fromY]),
    x: meanX,
    y: meanY,
    yy: editor.node('ReduceSum', [editor.node('Mul', [fromY, fromY]), axes], { keepdims: 0 }),
  };
  for (const name of SUMS) {
    editor.node('Identity', [results[name]], {}, { outputs: [name] });
    editor.addOutput(name);
  }
  editor.commit();
  return built;
}

function emitKept(editor: GraphEditor, { target, map }: Refittable, value: string, rank: number): string {
  if (!target.kept) return value;
  const indices = editor.initializer(makeTensor('kept', DataType.INT64, [target.kept.length], target.kept));
  return editor.node('Gather', [value, indices], { axis: map.outputAxis < 0 ? rank + map.outputAxis : map.outputAxis });
}

/** What the layer should give, from rows of what the original gives: [groups, positions, outputs]. */
function emitTarget(
  editor: GraphEditor,
  { map, target }: Refittable,
  rows: { original: string; added: string | undefined; elemType: number },
): string {
  const vector = (numbers: Float64Array): string =>
    editor.initializer(makeTensor('channels', rows.elemType, [map.groups, 1, map.outputs], numbers));
  const { behind } = target;
  const missing = rows.added === undefined ? rows.original : editor.node('Sub', [rows.original, rows.added]);
  if (!behind) return missing;
  const moved = editor.node('Sub', [missing, vector(behind.shift)]);
  return editor.node('Mul', [moved, vector(behind.scale.map((x) => 1 / x))]);
}
