/** Colours for groups in drawings: as different as possible from one group to the next, and always the same. */
import type { DimTerm, Group } from '@onnx-pruning/depgraph';

/** The golden ratio spreads hues evenly, however many there are. */
const HUE_STEP = 0.618_033_988_749_895;

/** The colour of a group by its number, as `#rrggbb`. */
export function groupColour(index: number): string {
  return hex((0.58 + index * HUE_STEP) % 1, 0.62, 0.7);
}

/** Colour of channels that belong to no group. */
export const NO_GROUP = '#d9d9d9';
/** Colour of channels of several groups, as on a concatenation. */
export const SEVERAL_GROUPS = '#707070';

/** Colours by leaf, from the groups that hold it. */
export type LeafColours = ReadonlyMap<DimTerm, string>;

export function leafColours(groups: readonly Group[]): LeafColours {
  return new Map(groups.flatMap((group, i) => [...group.cells.keys()].map((leaf) => [leaf, groupColour(i)])));
}

/** The colour of some leaves together. */
export function colourOf(leaves: readonly DimTerm[], colours: LeafColours): string {
  const found = new Set(leaves.flatMap((leaf) => colours.get(leaf) ?? []));
  return found.size > 1 ? SEVERAL_GROUPS : ([...found][0] ?? NO_GROUP);
}

/** Conversion from hue, saturation and lightness, each from 0 to 1 (CSS Color Module Level 4, section 7). */
function hex(hue: number, saturation: number, lightness: number): string {
  const amplitude = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number): string => {
    const k = (n + hue * 12) % 12;
    const value = lightness - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
