/**
 * Runs a model and returns the value of every edge of its graph: what shape inference and rewriting are checked
 * against. It must not change the model that it is given.
 */
import { DataType, GraphEditor, type Model } from '@onnx-pruning/onnx';
import { messageOf } from './errors.ts';
import { withSession } from './session.ts';
import type { SessionOptions } from './session-options.ts';
import type { TensorValues } from './values.ts';

/** Part of onnxruntime-node's message about an output of a type that it has no JavaScript type for. */
const NOT_CARRIED = 'Unsupported data type';

/**
 * Every tensor that the main graph computes, by value name: the outputs of all its nodes, and the feeds. Values that
 * are not tensors, or that onnxruntime-node cannot carry (BFLOAT16, 8-bit floats), are left out. Values inside
 * subgraphs (If, Loop, Scan) are not looked at. onnxruntime's graph optimizations are off unless asked for.
 *
 * @throws FeedError, SessionError, ExecutionProviderError as `createSession` and `run` do
 */
export async function runWithIntermediates(
  model: Model,
  feeds: TensorValues,
  options: SessionOptions = {},
): Promise<TensorValues> {
  const names = [...new Set(model.graph.node.flatMap((node) => node.output.filter((name) => name !== '')))];
  const computed = await fetch(model, names, feeds, { graphOptimization: 'disabled', ...options });
  return { ...feeds, ...computed };
}

async function fetch(
  model: Model,
  names: readonly string[],
  feeds: TensorValues,
  options: SessionOptions,
): Promise<TensorValues> {
  if (names.length === 0) return {};
  try {
    return await withSession(withOutputs(model, names), options, (session) => {
      const tensors = session.outputs
        .filter((output) => output.dataType !== DataType.UNDEFINED)
        .map((output) => output.name);
      return tensors.length === 0 ? Promise.resolve({}) : session.run(feeds, tensors);
    });
  } catch (error) {
    if (!messageOf(error).includes(NOT_CARRIED)) throw error;
    if (names.length === 1) return {};
    const half = Math.ceil(names.length / 2);
    const parts = [names.slice(0, half), names.slice(half)];
    const [left, right] = await Promise.all(parts.map((part) => fetch(model, part, feeds, options)));
    return { ...left, ...right };
  }
}

/** The model with exactly these values as outputs. Where it declares no type, onnxruntime infers one. */
export function withOutputs(model: Model, names: readonly string[]): Model {
  const copy = model.clone();
  const editor = new GraphEditor(copy);
  editor.setOutputs(names);
  editor.commit();
  return copy;
}
