/**
 * Everything that is known of a model before it is pruned: shapes, solved terms and layers. One value that the later
 * stages read; only `rewrite.ts` brings it up to date after channels were removed.
 */
import type { Model } from '@onnx-pruning/onnx';
import type { OperatorRegistry } from '@onnx-pruning/ops';
import { type Consumption, type Mixing, type SolvedTerms, type SolveOptions, solveTerms } from './equations.ts';
import { collectLayers, type LayerAxis, type PrunableLayer } from './layers.ts';
import { type InputShapes, inferShapes, type ShapeTable } from './shapes.ts';
import { type DimTerm, find, forEachLeaf } from './term.ts';
import { mergeCopies, unshareVectors } from './unshare.ts';

export interface Analysis {
  readonly model: Model;
  readonly registry: OperatorRegistry;
  readonly shapes: ShapeTable;
  readonly terms: SolvedTerms;
  /** Layers in trace order. */
  readonly layers: readonly PrunableLayer[];
  /** Channel axes of layers that hold a leaf, in graph order. */
  readonly uses: ReadonlyMap<DimTerm, readonly LayerAxis[]>;
}

/**
 * Analyses a model. Bytes are not touched; vectors that layers of different groups share are given copies (see
 * unshare.ts).
 */
export function analyse(
  model: Model,
  registry: OperatorRegistry,
  inputShapes: InputShapes = {},
  options: SolveOptions = {},
): Analysis {
  const copies = unshareVectors(model);
  const shapes = inferShapes(model, registry, inputShapes);
  const terms = solveTerms(model, shapes, options);
  const unneeded = copies.filter(({ original, copy }) => sameTerms(terms, original, copy.name ?? ''));
  mergeCopies(model, unneeded);
  for (const { copy } of unneeded) forget(shapes, terms, copy.name ?? '');
  const layers = collectLayers(model, shapes, terms.axes);
  return { model, registry, shapes, terms, layers, uses: collectUses(model, layers) };
}

function sameTerms(terms: SolvedTerms, a: string, b: string): boolean {
  const [x, y] = [terms.axes.get(a), terms.axes.get(b)];
  return x !== undefined && y !== undefined && x.every((term, axis) => find(term) === find(y[axis]) || term.size === 1);
}

function forget(shapes: ShapeTable, terms: SolvedTerms, name: string): void {
  shapes.values.delete(name);
  shapes.constants.delete(name);
  terms.axes.delete(name);
}

function collectUses(model: Model, layers: readonly PrunableLayer[]): Map<DimTerm, LayerAxis[]> {
  const byNode = new Map(layers.map((layer) => [layer.node, layer]));
  const uses = new Map<DimTerm, LayerAxis[]>();
  for (const node of model.graph.node) {
    for (const axis of byNode.get(node)?.axes ?? []) {
      const seen = new Set<DimTerm>();
      forEachLeaf(axis.term, (leaf) => seen.add(leaf));
      for (const leaf of seen) {
        const list = uses.get(leaf);
        if (list) list.push(axis);
        else uses.set(leaf, [axis]);
      }
    }
  }
  return uses;
}

/** Nodes that compute a statistic over an axis holding one of the leaves: pruning them is not exact. */
export function mixingsOf(analysis: Analysis, leaves: ReadonlySet<DimTerm>): Mixing[] {
  return analysis.terms.mixings.filter((mixing) => holds(termOf(analysis, mixing), leaves));
}

/** The term that a consumption or mixing runs over. */
export function termOf(analysis: Analysis, at: Consumption): DimTerm | undefined {
  return analysis.terms.axes.get(at.node.input[at.input] ?? '')?.[at.axis];
}

function holds(term: DimTerm | undefined, leaves: ReadonlySet<DimTerm>): boolean {
  let found = false;
  if (term) forEachLeaf(find(term), (leaf) => (found ||= leaves.has(leaf)));
  return found;
}
