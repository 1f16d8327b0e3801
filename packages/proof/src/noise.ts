/**
 * Models that draw random numbers agree only by chance. Here the noise becomes an input of both models: what the
 * original drew in one run is fed to the reference as it is, and to the pruned model gathered to its kept channels.
 */
import { constantTensors, GraphEditor, type Model, subgraphs } from '@onnx-pruning/onnx';
import { drawsRandomNumbers } from '@onnx-pruning/ops';
import { isCarried, type TensorValues, withOutputs } from '@onnx-pruning/runtime';
import { keptPart } from './checkpoints.ts';
import { elemTypeOf, type PlannedRemoval } from './planned-removal.ts';
import type { SessionPool } from './session-pool.ts';

/** Values that random operators of the main graph make; and why noise elsewhere cannot be shared, where there is some. */
export function noiseOf(model: Model): { readonly names: readonly string[]; readonly hidden: readonly string[] } {
  const constants = constantTensors(model.graph);
  const random = model.graph.node.filter((node) => drawsRandomNumbers(node, constants));
  const names = random.flatMap((node) => node.output.filter((name) => name !== ''));
  const within = (graphs: readonly Model['graph'][]): boolean =>
    graphs.some(({ node }) => node.some((one) => drawsRandomNumbers(one, constants) || within(subgraphs(one))));
  const hidden = model.graph.node.filter((node) => within(subgraphs(node)));
  return {
    names,
    hidden: hidden.map((node) => `random numbers are drawn inside ${node.opType} '${node.name || node.output[0]}'`),
  };
}

/** A copy in which these values are inputs and the nodes that made them are gone. */
export function withNoiseAsInput(planned: PlannedRemoval, model: Model, names: readonly string[]): Model {
  if (names.length === 0) return model;
  const copy = model.clone();
  const editor = new GraphEditor(copy);
  const noise = new Set(names);
  for (const node of copy.graph.node) if (node.output.some((name) => noise.has(name))) editor.removeNode(node);
  const declared = new Map(copy.graph.output.map(({ name, type }) => [name, type]));
  for (const name of names) {
    const type = declared.get(name) ?? { tensorType: { elemType: elemTypeOf(planned, name) } };
    editor.insertInput({ name, type });
  }
  editor.commit();
  return copy;
}

/**
 * What the original draws on these inputs: feeds for the reference and for the pruned model.
 * @param optional sizes that the model may refuse: undefined then
 */
export async function drawNoise(
  planned: PlannedRemoval,
  names: readonly string[],
  feeds: TensorValues,
  pool: SessionPool,
): Promise<{ readonly reference: TensorValues; readonly candidate: TensorValues }> {
  if (names.length === 0) return { reference: feeds, candidate: feeds };
  const carried = names.filter((name) => isCarried(elemTypeOf(planned, name)));
  const session = await pool.get('noise', () => withOutputs(planned.original, carried));
  const drawn = await session.run(feeds, carried);
  const gathered = Object.entries(drawn).map(([name, value]) => [name, keptPart(planned, name, value)] as const);
  return { reference: { ...feeds, ...drawn }, candidate: { ...feeds, ...Object.fromEntries(gathered) } };
}
