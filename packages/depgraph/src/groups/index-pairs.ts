/**
 * Which indices of a member follow which indices of its group's root. Both are found through the channels of leaves
 * that they share; this file knows no layers.
 */
import { type AxisLayout, type AxisLayouts, indexOfChannel, type LeafPlaces } from '../terms/layout.ts';
import type { DimTerm, Leaf } from '../terms/term.ts';
import type { RemovedCells } from './selection.ts';

/** Which member index follows which root index; an index stands several times where the two repeat differently. */
export interface IndexPairs {
  readonly member: Int32Array;
  readonly root: Int32Array;
}

/** Channels of one leaf that are removed, and where they lie along the root. */
interface RootCells {
  readonly leaf: Leaf;
  readonly channels: Int32Array;
  readonly places: LeafPlaces;
}

/** Pairs the removed channels of a root with those of its members, one member after the other. */
export class IndexPairing {
  readonly #layouts: AxisLayouts;
  readonly #cells: readonly RootCells[];
  readonly #count: number;
  /** Root indices in the order of the cells; undefined where a channel covers several. */
  readonly #rootIndices: Int32Array | undefined;

  constructor(layouts: AxisLayouts, root: DimTerm, removed: RemovedCells) {
    const layout = layouts.of(root);
    this.#layouts = layouts;
    this.#cells = [...removed].flatMap(([leaf, channels]) => {
      const places = layout.get(leaf);
      return places ? [{ leaf, channels: listOf(channels), places }] : [];
    });
    this.#count = this.#cells.reduce((count, { channels }) => count + channels.length, 0);
    this.#rootIndices = indicesOfSingles(this.#cells, this.#count, layout);
  }

  /**
   * Pairs along a member's axis. Where a channel occurs equally often in both (the same local channel of every group),
   * the n-th occurrence follows the n-th; where the member repeats it more often (C x H x W after a flatten), a block of
   * occurrences follows one; where it repeats it less often, one follows a block.
   */
  with(term: DimTerm): IndexPairs {
    const layout = this.#layouts.of(term);
    const member = this.#rootIndices && indicesOfSingles(this.#cells, this.#count, layout);
    return this.#rootIndices && member ? { member, root: this.#rootIndices } : this.#withRepeats(layout);
  }

  #withRepeats(layout: AxisLayout): IndexPairs {
    const member: number[] = [];
    const root: number[] = [];
    for (const { leaf, channels, places } of this.#cells) {
      const own = layout.get(leaf);
      if (!own) continue;
      const count = Math.max(own.repeats, places.repeats);
      for (const channel of channels) {
        for (let k = 0; k < count; k++) {
          member.push(indexOfChannel(own, channel, Math.floor((k * own.repeats) / count)));
          root.push(indexOfChannel(places, channel, Math.floor((k * places.repeats) / count)));
        }
      }
    }
    return { member: Int32Array.from(member), root: Int32Array.from(root) };
  }
}

/** Indices of the cells along an axis on which every channel covers exactly one, as in most networks; else undefined. */
function indicesOfSingles(cells: readonly RootCells[], count: number, layout: AxisLayout): Int32Array | undefined {
  const indices = new Int32Array(count);
  let at = 0;
  for (const { leaf, channels } of cells) {
    const places = layout.get(leaf);
    if (places?.repeats !== 1) return undefined;
    const start = places.starts[0];
    for (let i = 0; i < channels.length; i++) indices[at++] = start + channels[i];
  }
  return indices;
}

function listOf(channels: ReadonlySet<number>): Int32Array {
  const list = new Int32Array(channels.size);
  let at = 0;
  channels.forEach((channel) => {
    list[at++] = channel;
  });
  return list;
}

/** Ascending member indices, each once, and the first root index that each follows. */
export function firstPairs({ member, root }: IndexPairs): { idxs: Int32Array; rootIdxs: Int32Array } {
  if (member.every((index, k) => k === 0 || index > member[k - 1])) return { idxs: member, rootIdxs: root };
  const rootOf = new Map<number, number>();
  member.forEach((index, k) => {
    if (!rootOf.has(index)) rootOf.set(index, root[k]);
  });
  const idxs = Int32Array.from(rootOf.keys()).sort();
  return { idxs, rootIdxs: idxs.map((index) => rootOf.get(index)!) };
}
