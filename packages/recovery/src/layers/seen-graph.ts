/**
 * The beginning of a graph that is emitted for a layer: what one batch shows of it comes in, and what the layer should give
 * is there as rows. It must not know what is summed up of them.
 */
import { DataType, GraphBuilder, GraphEditor, type Model, makeTensor } from '@onnx-pruning/onnx';
import type { LinearMap } from '@onnx-pruning/ops';
import type { TensorValue } from '@onnx-pruning/runtime';
import type { Refittable, Target } from './refittable.ts';

/** What sums over positions must know of a layer, or of anything else that is linear in rows. */
export interface Summed extends Pick<Refittable, 'name' | 'node' | 'input'> {
  readonly map: Pick<LinearMap, 'groups' | 'inputs' | 'outputs' | 'outputAxis' | 'emitRows' | 'emitOutputs'>;
  readonly target: Target;
}

/** What one batch shows of a layer. */
export interface Seen {
  readonly input: TensorValue;
  /** `target.value` in the original. */
  readonly target: TensorValue;
  /** `target.added` in the pruned model. */
  readonly added: TensorValue | undefined;
}

/** The feeds of a graph that `beginSeenGraph` began. */
export const feedsOf = ({ input, target, added }: Seen): Record<string, TensorValue> => ({
  input,
  target,
  ...(added && { added }),
});

/** Positions at which the layer gives channels. */
export function positionsIn({ map }: Summed, { target }: Seen): number {
  const channels = target.dims.at(map.outputAxis) ?? 1;
  return channels === 0 ? 0 : target.data.length / channels;
}

/** A graph whose nodes are still to be added. */
export interface SeenGraph {
  readonly built: Model;
  readonly editor: GraphEditor;
  /** Of floating-point numbers in the graph. */
  readonly elemType: number;
  /** The layer's input. */
  readonly input: string;
  /** What the layer should give: [groups, positions, outputs]. */
  readonly target: string;
  /** Of rows at all positions those that count. */
  choose(rows: string): string;
}

/**
 * @param model whose operator sets count
 * @param like what one batch shows: types and ranks are taken from it
 * @param someOnly whether only the positions count that the input `positions` lists
 */
export function beginSeenGraph(model: Model, layer: Summed, like: Seen, someOnly: boolean): SeenGraph {
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
  const outputs = (value: string): string => choose(layer.map.emitOutputs(editor, cast(value)));
  const kept = emitKept(editor, layer, original, like.target.dims.length);
  const rows = { original: outputs(kept), added: added && outputs(added), elemType };
  return { built, editor, elemType, input: cast(input), target: emitTarget(editor, layer, rows), choose };
}

/** Makes values outputs of the graph and ends it. */
export function endSeenGraph({ built, editor }: SeenGraph, results: Readonly<Record<string, string>>): Model {
  for (const [name, value] of Object.entries(results)) {
    editor.node('Identity', [value], {}, { outputs: [name] });
    editor.addOutput(name);
  }
  editor.commit();
  return built;
}

/** The mean of rows over positions, rows about it, and the sums of their squares. */
export function emitSpread(editor: GraphEditor, rows: string): { mean: string; about: string; squares: string } {
  const mean = editor.node('ReduceMean', [rows], { axes: [1] });
  // Products of large numbers that hardly vary would lose what varies.
  const about = editor.node('Sub', [rows, mean]);
  const axes = editor.initializer(makeTensor('axes', DataType.INT64, [1], [1]));
  const squares = editor.node('ReduceSum', [editor.node('Mul', [about, about]), axes], { keepdims: 0 });
  return { mean, about, squares };
}

function emitKept(editor: GraphEditor, { target, map }: Summed, value: string, rank: number): string {
  if (!target.kept) return value;
  const indices = editor.initializer(makeTensor('kept', DataType.INT64, [target.kept.length], target.kept));
  return editor.node('Gather', [value, indices], { axis: map.outputAxis < 0 ? rank + map.outputAxis : map.outputAxis });
}

/** What the layer should give, from rows of what the original gives. */
function emitTarget(
  editor: GraphEditor,
  { map, target }: Summed,
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
