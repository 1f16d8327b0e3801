/** Sizes of terms when some channels of their leaves are gone. Removes nothing. */
import type { Dim } from '@onnx-pruning/ops';
import { type DimTerm, foldTerm, type Leaf, sizeCases, type TermCases } from './term.ts';

/** Channels of each leaf that stay: ascending indices into its channels now. */
export type LeafRemoval = ReadonlyMap<Leaf, Int32Array>;

/** Sizes of terms once the removal is done; only how many channels of each leaf stay matters. */
export class SizesAfter {
  readonly #cases: TermCases<Dim>;
  readonly #known = new Map<DimTerm, Dim>();

  constructor(removal: ReadonlyMap<Leaf, { readonly length: number }>) {
    this.#cases = sizeCases((leaf) => removal.get(leaf)?.length ?? leaf.count);
  }

  of(t: DimTerm): Dim {
    return foldTerm(t, this.#cases, this.#known);
  }
}
