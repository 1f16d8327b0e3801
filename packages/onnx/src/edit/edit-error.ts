/** The error of graph editing, in a file of its own so that every part of it can throw it. */
import { OnnxPruningError } from '../errors.ts';
import type { NodeProto } from '../proto.ts';

/** An edit that cannot be made, or that would leave a model which breaks a rule of ONNX. The model is unchanged. */
export class EditError extends OnnxPruningError {}

/** An edit of something that the graph does not have. */
export function noSuch(what: string, value: string, node?: NodeProto): EditError {
  return new EditError(`NO_${what.toUpperCase()}`, `the graph has no such ${what}`, {
    ...(node && { node: node.name ?? '', operator: node.opType ?? '' }),
    value,
    repair: 'An editor edits one graph as it was when the editor was made, and what was added since: see body().',
  });
}
