/** What an editor can be told. */
import { anyOf, kinds, listOf, type OptionKinds } from '../arguments.ts';
import type { NodeProto } from '../proto.ts';
import type { NameTable } from './names.ts';

export interface GraphEditorOptions {
  /** Stands in front of the names that the editor gives, such as `grad/`. */
  readonly prefix?: string;
  /** Names that are taken, where they are not those of the model as it is. */
  readonly names?: NameTable;
}

export interface InsertedNodeOptions {
  /** Default: operator and a running number, e.g. `Mul_0`. */
  readonly name?: string;
  /** Names of the outputs, or how many. By default one, `<node name>_out`. */
  readonly outputs?: number | readonly string[];
  /**
   * Domain of the operator; '' (default) is `ai.onnx`. The model must import it, or be given it with `requireOpset`.
   */
  readonly domain?: string;
  /**
   * The node of this graph right before, or after, which the new one comes; several keep the order in which they were
   * added. Without either it comes before the first node that needs it, else at the end.
   */
  readonly before?: NodeProto;
  /** As `before`: the node right behind which the new one comes. */
  readonly after?: NodeProto;
}

/** What the options of a new node may be. */
export const INSERTED_NODE_OPTIONS: OptionKinds<InsertedNodeOptions> = {
  name: kinds.text,
  outputs: anyOf(kinds.count, listOf(kinds.text)),
  domain: kinds.text,
  before: kinds.node,
  after: kinds.node,
};

export interface ReplaceUsesOptions {
  /** Which nodes of this graph (with their bodies) take the new value. Default: all. */
  readonly nodes?: (node: NodeProto) => boolean;
  /** Whether outputs of this graph take it as well, and with it its name. Default false. */
  readonly outputs?: boolean;
}
