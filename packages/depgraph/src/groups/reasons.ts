/** Why channels stay, as data and as words: the one source of explanations and of reports. */
import { type DimTerm, type FixedReason, foldTerm, leavesOf } from '../terms/term.ts';

/** Why channels along an axis are fixed. A factor that is fixed (heads, height x width) leaves the channels beside it free. */
export function channelReasons(term: DimTerm): Set<FixedReason> {
  const union = (sets: readonly Set<FixedReason>[]): Set<FixedReason> => new Set(sets.flatMap((set) => [...set]));
  return foldTerm(term, {
    leaf: () => new Set<FixedReason>(),
    fixed: ({ reason }) => new Set([reason]),
    sum: union,
    product: (factors, product) => (leavesOf(product).length > 0 ? new Set() : union(factors)),
    family: union,
  });
}

/** The node that a reason is about, e.g. `LRN 'norm1'`; undefined where the reason says it itself. */
export function placeOf({ node, operator }: FixedReason): string | undefined {
  return node === undefined ? undefined : `${operator} '${node}'`;
}

/** The reason in words: `it is a spatial axis of Conv (Conv 'conv1')`. */
export function showReason(reason: FixedReason): string {
  const place = placeOf(reason);
  return place === undefined ? reason.because : `${reason.because} (${place})`;
}
