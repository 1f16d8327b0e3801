/** Nodes that do not exist yet: what they hold, and what their outputs are called. */
import { checkArguments, kinds, listOf } from '../arguments.ts';
import { type AttributeValue, attributeOf } from '../attribute-value.ts';
import type { NodeProto } from '../proto.ts';
import type { NameTable } from './names.ts';

/** What a node is made of. */
export interface NewNode {
  readonly name: string;
  readonly opType: string;
  /** An empty name is an absent optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly domain?: string | undefined;
}

/** @throws ArgumentError for what no node is made of */
export function makeNode({ name, opType, inputs, outputs, attributes, domain }: NewNode): NodeProto {
  checkArguments('node', {
    opType: [opType, kinds.text],
    inputs: [inputs, listOf(kinds.text)],
    attributes: [attributes, kinds.object],
  });
  const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
  const node: NodeProto = { input: [...inputs], output: [...outputs], name, opType, attribute };
  if (domain !== undefined) node.domain = domain;
  return node;
}

/** Names of a node's outputs: those given, or as many fresh ones after the node's name. */
export function outputNames(values: NameTable, node: string, outputs: number | readonly string[]): string[] {
  if (typeof outputs !== 'number') return [...outputs];
  if (outputs === 1) return [values.fresh(`${node}_out`)];
  return Array.from({ length: outputs }, (_, i) => values.fresh(`${node}_out${i}`));
}
