/** Sizes of terms when some channels of their leaves are gone. Removes nothing. */
import { type Dim, mulDims } from '@onnx-pruning/ops';
import { type DimTerm, find } from './term.ts';

/** Channels of each leaf that stay: ascending indices into its channels now. */
export type LeafRemoval = ReadonlyMap<DimTerm, Int32Array>;

/** Sizes of terms once the removal is done; only how many channels of each leaf stay matters. */
export class SizesAfter {
  readonly #removal: ReadonlyMap<DimTerm, { readonly length: number }>;
  readonly #known = new Map<DimTerm, Dim>();

  constructor(removal: ReadonlyMap<DimTerm, { readonly length: number }>) {
    this.#removal = removal;
  }

  of(t: DimTerm): Dim {
    const root = find(t);
    if (root.kind === 'leaf') return this.#removal.get(root)?.length ?? root.count;
    if (root.kind === 'fixed') return root.count;
    if (root.kind === 'family') return this.of(root.children[0]);
    let size = this.#known.get(root);
    if (size === undefined) {
      size = this.#combine(root);
      this.#known.set(root, size);
    }
    return size;
  }

  #combine(root: DimTerm): Dim {
    const sizes = root.children.map((child) => this.of(child));
    return root.kind === 'sum' ? sizes.reduce<number>((a, b) => a + Number(b), 0) : sizes.reduce(mulDims, 1);
  }
}
