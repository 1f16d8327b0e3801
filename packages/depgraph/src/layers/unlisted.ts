/**
 * Nodes with weights that are no layers for the engine, and why: their weights are quantized, or computed in a way that is
 * not followed; or no shape is known where they are. They must not vanish in silence.
 */
import { bitsPerElement, type Model, type NodeProto, tensorDims } from '@onnx-pruning/onnx';
import { nodeLabel } from '../shapes/node-view.ts';
import { operatorName, type ShapeTable, whyNoRule } from '../shapes/shapes.ts';
import type { SolvedTerms } from '../terms/equations.ts';
import type { FixedReason } from '../terms/term.ts';
import type { PrunableLayer } from './layers.ts';

/** A node that would be a layer but for the reason. */
export interface UnlistedLayer {
  readonly name: string;
  readonly node: NodeProto;
  readonly reason: FixedReason;
}

/** In graph order. */
export function unlistedLayers(
  model: Model,
  shapes: ShapeTable,
  terms: Pick<SolvedTerms, 'constantPart' | 'hidden'>,
  layers: readonly PrunableLayer[],
): UnlistedLayer[] {
  const listed = new Set(layers.map(({ node }) => node));
  const { constantPart } = terms;
  const found = model.graph.node.flatMap((node) => {
    if (listed.has(node) || constantPart.has(node)) return [];
    const reason = whyUnlisted(model, node, shapes, terms);
    return reason ? [{ node, reason }] : [];
  });
  if (found.length === 0) return [];
  const names = new Map(model.layers().map(({ node, name }) => [node, name]));
  return found.map(({ node, reason }) => ({ name: names.get(node) ?? '', node, reason }));
}

function whyUnlisted(
  model: Model,
  node: NodeProto,
  shapes: ShapeTable,
  { constantPart, hidden }: Pick<SolvedTerms, 'constantPart' | 'hidden'>,
): FixedReason | undefined {
  const record = shapes.records.get(node);
  const where = { node: nodeLabel(node), operator: operatorName(node) };
  const inputs = constantPart.inputsOf(node);
  if (inputs.some((name) => isWeight(shapes, name))) {
    const own = record ? record.refusal : whyNoRule(model, node);
    if (own !== undefined) return { because: own, ...where };
    const unknown = inputs.find((name) => hidden.has(name));
    if (unknown !== undefined) return hidden.get(unknown);
  }
  const parameters = constantPart.layerOf(node, () => true)?.parameters ?? [];
  for (const { input, role } of parameters) {
    const producer = role === 'weight' ? constantPart.producerOf(inputs[input] ?? '') : undefined;
    if (producer) return computedBy(producer, shapes);
  }
  return undefined;
}

/** A constant that can only be a weight: more than one axis of more than one element. */
function isWeight({ constants }: ShapeTable, name: string): boolean {
  const tensor = constants.get(name);
  if (!tensor || bitsPerElement(tensor.dataType) === 0) return false;
  return tensorDims(tensor).filter((size) => size > 1).length > 1;
}

function computedBy(producer: NodeProto, shapes: ShapeTable): FixedReason {
  const where = { node: nodeLabel(producer), operator: operatorName(producer) };
  const refusal = shapes.records.get(producer)?.refusal;
  return { because: refusal ?? 'its weights are computed in the graph by a node that is not followed', ...where };
}
