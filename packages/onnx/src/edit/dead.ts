/** What a graph computes for nothing. */
import type { GraphProto, NodeProto } from '../proto.ts';
import { type GraphStage, namesUsed } from './stage.ts';

/**
 * Nodes of a staged graph that no output depends on; initializers that nothing else uses are dropped from the stage.
 * @param stageOf edits of bodies
 */
export function removeDead(stage: GraphStage, stageOf: (graph: GraphProto) => GraphStage | undefined): NodeProto[] {
  const producers = new Map<string, NodeProto>();
  for (const node of stage.identities()) for (const name of stage.current(node).output) producers.set(name, node);
  const used = new Set(stage.outputs.map(({ name = '' }) => name));
  const live = new Set<NodeProto>();
  // A set visits what is added while it is walked.
  for (const name of used) {
    const node = name === '' ? undefined : producers.get(name);
    if (node === undefined || live.has(node)) continue;
    live.add(node);
    for (const input of namesUsed(stage.current(node), stageOf)) used.add(input);
  }
  for (const name of stage.initializers.keys()) {
    // Without its default value an input would have to be fed.
    if (!used.has(name) && !stage.inputs.has(name)) stage.initializers.delete(name);
  }
  return [...stage.identities()].filter((node) => !live.has(node));
}
