/**
 * From indices along a layer's axis to channels of leaves, and back: which channels a request means, whether it may be
 * asked, and whether every axis survives it. Changes nothing.
 */
import { tensorDims } from '@onnx-pruning/onnx';
import type { Analysis } from '../analysis/analysis.ts';
import { type LayerAxis, LayerError, type PrunableLayer } from '../layers/layers.ts';
import { forEachCell } from '../terms/kept.ts';
import { type LeafRemoval, SizesAfter } from '../terms/sizes-after.ts';
import {
  type DimTerm,
  type Family,
  fixedReasons,
  foldTerm,
  type Leaf,
  leavesOf,
  numericSize,
  someLeaf,
} from '../terms/term.ts';

/** Channels of leaves that are to go. */
export type RemovedCells = ReadonlyMap<Leaf, ReadonlySet<number>>;

/**
 * The leaves through which an axis is pruned by default: in a product the innermost free factor that is not a number of
 * groups, so that a grouped axis loses the same local channels in every group.
 */
export function primaryLeaves(term: DimTerm): Set<Leaf> {
  return foldTerm<Set<Leaf>>(term, {
    leaf: (leaf) => new Set([leaf]),
    fixed: () => new Set(),
    sum: union,
    family: union,
    product: (primary, { factors }) => {
      const free = primary.flatMap((leaves, i) => (leaves.size > 0 ? [{ leaves, factor: factors[i] }] : []));
      const channels = free.filter(({ factor }) => someLeaf(factor, ({ role }) => role !== 'group'));
      return (channels.at(-1) ?? free.at(-1))?.leaves ?? new Set();
    },
  });
}

function union(sets: readonly ReadonlySet<Leaf>[]): Set<Leaf> {
  return new Set(sets.flatMap((set) => [...set]));
}

/** Numbers of groups or heads that stand before free channels along some axis. */
export function outerLeaves(layers: readonly PrunableLayer[]): Set<Leaf> {
  const outer = new Set<Leaf>();
  for (const { term } of layers.flatMap((layer) => layer.axes)) {
    const primary = primaryLeaves(term);
    for (const leaf of leavesOf(term)) if (leaf.role === 'group' && !primary.has(leaf)) outer.add(leaf);
  }
  return outer;
}

/**
 * The channels that indices along an axis mean: those that have exactly these indices, if there are such (the same local
 * channel of every group, or whole attention heads); else a unit is meant as a whole by any of its indices.
 * @throws LayerError for an index out of range or given twice, or a channel that may not change
 */
export function cellsAt(root: LayerAxis, idxs: readonly number[]): RemovedCells {
  checkIndices(root, idxs);
  const wanted = new Set(idxs);
  const primary = primaryLeaves(root.term);
  const others = leavesOf(root.term).filter((leaf) => !primary.has(leaf));
  for (const leaves of [primary, ...others.map((leaf) => new Set([leaf]))]) {
    const cells = cellsWithin(root.term, leaves, wanted);
    if (axisIndices(root.term, cells).length === wanted.size) return cells;
  }
  return cellsTouching(root, primary, wanted);
}

/** Channels of some leaves all of whose indices are wanted. */
function cellsWithin(term: DimTerm, leaves: ReadonlySet<Leaf>, wanted: ReadonlySet<number>): RemovedCells {
  const within = new Map<Leaf, Set<number>>();
  const beyond = new Map<Leaf, Set<number>>();
  forEachCell(term, leaves, (leaf, channel, index) => {
    const cells = wanted.has(index) ? within : beyond;
    const channels = cells.get(leaf);
    if (channels) channels.add(channel);
    else cells.set(leaf, new Set([channel]));
  });
  for (const [leaf, channels] of within) for (const channel of beyond.get(leaf) ?? []) channels.delete(channel);
  return new Map([...within].filter(([, channels]) => channels.size > 0));
}

/** Channels of some leaves that have a wanted index; every wanted index must be of one. */
function cellsTouching(root: LayerAxis, leaves: ReadonlySet<Leaf>, wanted: ReadonlySet<number>): RemovedCells {
  const cells = new Map<Leaf, Set<number>>();
  const covered = new Set<number>();
  forEachCell(root.term, leaves, (leaf, channel, index) => {
    if (!wanted.has(index)) return;
    covered.add(index);
    const channels = cells.get(leaf);
    if (channels) channels.add(channel);
    else cells.set(leaf, new Set([channel]));
  });
  for (const index of wanted) if (!covered.has(index)) throw fixedChannel(root, index);
  return cells;
}

/** Ascending indices along an axis that lie in some channels. */
export function axisIndices(term: DimTerm, cells: RemovedCells): Int32Array {
  const found: number[] = [];
  forEachCell(term, new Set(cells.keys()), (leaf, channel, index) => {
    if (cells.get(leaf)!.has(channel)) found.push(index);
  });
  // Leaves of one product or family come by the same index; else the order is right already.
  const ascending = found.every((index, i) => i === 0 || index > found[i - 1]);
  return ascending ? Int32Array.from(found) : Int32Array.from(new Set(found)).sort();
}

/** Indices along an axis as they count once other channels are gone; those that go with them vanish. */
export function renumbered(term: DimTerm, idxs: Int32Array, gone: RemovedCells): number[] {
  const missing = leavesOf(term).flatMap((leaf) => (gone.has(leaf) ? [[leaf, gone.get(leaf)!] as const] : []));
  const before = missing.length > 0 ? axisIndices(term, new Map(missing)) : new Int32Array();
  let passed = 0;
  return Array.from(idxs).flatMap((index) => {
    while (passed < before.length && before[passed] < index) passed++;
    return before[passed] === index ? [] : [index - passed];
  });
}

/** Channels of each leaf that stay when several requests are carried out together. */
export function removalOf(requests: readonly RemovedCells[]): LeafRemoval {
  const removed = new Map<Leaf, ReadonlySet<number>>();
  for (const cells of requests) {
    for (const [leaf, channels] of cells) {
      const others = removed.get(leaf);
      removed.set(leaf, others ? new Set([...others, ...channels]) : channels);
    }
  }
  const removal = new Map<Leaf, Int32Array>();
  for (const [leaf, channels] of removed) {
    const kept: number[] = [];
    for (let c = 0; c < numericSize(leaf); c++) if (!channels.has(c)) kept.push(c);
    removal.set(leaf, Int32Array.from(kept));
  }
  return removal;
}

/** An error that says why a removal cannot be: an axis left without channels, unequal groups; or undefined. */
export function emptiedAxis(analysis: Analysis, removal: LeafRemoval): LayerError | undefined {
  const unequal = unequalFamily(analysis.terms.families, removal);
  if (unequal) return unequal;
  const gone = [...removal].filter(([, kept]) => kept.length === 0);
  if (gone.length === 0) return undefined;
  const sizes = new SizesAfter(removal);
  for (const [value, axes] of analysis.terms.axes) {
    const axis = axes.findIndex((term) => term.size !== 0 && sizes.of(term) === 0);
    if (axis < 0) continue;
    const tensor = analysis.shapes.constants.get(value);
    return new LayerError('NO_CHANNELS_LEFT', 'pruning would leave an axis without channels', {
      value,
      axis,
      expected: 'at least 1 channel',
      actual: `0 of ${tensor ? tensorDims(tensor)[axis] : axes[axis].size}`,
      repair: 'Keep at least one channel: give fewer indices or a smaller ratio.',
    });
  }
  return undefined;
}

/** An error that names the first family whose members would no longer be equal in size, or undefined. */
function unequalFamily(families: readonly Family[], removal: LeafRemoval): LayerError | undefined {
  const left = (leaf: Leaf): number => removal.get(leaf)?.length ?? numericSize(leaf);
  const unequal = families.find(({ members }) => members.some((leaf) => left(leaf) !== left(members[0])));
  return (
    unequal &&
    new LayerError('GROUPS_UNEQUAL', 'every group must keep equally many channels', {
      expected: `${left(unequal.members[0])} channels in each of ${unequal.members.length} groups`,
      actual: unequal.members.map(left).join(', '),
      repair: 'Remove the same number of channels from every group, or build the graph with groupSelection: same.',
    })
  );
}

/**
 * Axes that consist of dimensions of one channel only, some of them a group's: such dimensions may go as a whole, but not
 * all of an axis. Each is the list of its dimensions.
 */
export function narrowAxes(analysis: Analysis, cells: RemovedCells): readonly (readonly Leaf[])[] {
  if (![...cells.keys()].some(hasOneChannel)) return [];
  const found = new Map<string, readonly Leaf[]>();
  for (const axes of analysis.terms.axes.values()) {
    for (const leaves of axes.flatMap(narrowParts)) {
      if (leaves.some((leaf) => cells.has(leaf))) found.set(leaves.map(({ id }) => id).join(), leaves);
    }
  }
  return [...found.values()];
}

const hasOneChannel = ({ originalCount, count }: Leaf): boolean => (originalCount ?? count) === 1;

/** Parts of an axis that are empty when some dimensions of one channel are gone. */
function narrowParts(term: DimTerm): Leaf[][] {
  const { leaves, inside } = foldTerm<NarrowParts>(term, {
    leaf: (leaf) => ({ leaves: hasOneChannel(leaf) ? [leaf] : undefined, inside: [] }),
    fixed: () => ({ leaves: undefined, inside: [] }),
    sum: (parts) => {
      const inside = parts.flatMap((part) => part.inside);
      const narrow = parts.every(({ leaves }) => leaves !== undefined);
      return { leaves: narrow ? [...new Set(parts.flatMap(({ leaves }) => leaves ?? []))] : undefined, inside };
    },
    product: (factors) => ({
      leaves: undefined,
      inside: factors.flatMap((factor) => (factor.leaves ? [factor.leaves, ...factor.inside] : factor.inside)),
    }),
    family: (members) => ({ leaves: undefined, inside: members.flatMap((member) => member.inside) }),
  });
  return leaves ? [leaves, ...inside] : inside;
}

interface NarrowParts {
  /** The dimensions of the whole term, where all are of one channel. */
  readonly leaves: Leaf[] | undefined;
  /** Those of parts of it that must not be empty either. */
  readonly inside: Leaf[][];
}

function checkIndices(root: LayerAxis, idxs: readonly number[]): void {
  const size = numericSize(root.term);
  const where = { node: root.layer.name, operator: root.layer.node.opType };
  const seen = new Set<number>();
  for (const index of idxs) {
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new LayerError('INDEX_RANGE', `a channel index is out of range`, {
        ...where,
        expected: `an integer from 0 to ${size - 1}`,
        actual: index,
        repair: `The layer has ${size} ${root.side}put channels now; earlier pruning renumbers them.`,
      });
    }
    if (seen.has(index)) {
      throw new LayerError('INDEX_TWICE', 'a channel index is given twice', {
        ...where,
        actual: index,
        repair: 'Give every index once.',
      });
    }
    seen.add(index);
  }
  if (idxs.length === 0) {
    throw new LayerError('NO_INDICES', 'no channel indices are given', {
      ...where,
      repair: 'Give at least one index.',
    });
  }
}

function fixedChannel(root: LayerAxis, index: number): LayerError {
  return fixed(root, `channel ${index} may not change`);
}

/** The error for a layer none of whose channels may change. */
export function fixedLayer(root: LayerAxis): LayerError {
  return fixed(root, `none of its ${root.side}put channels may change`);
}

function fixed(root: LayerAxis, what: string): LayerError {
  const reasons = [...fixedReasons(root.term)].map((reason) => reason.because);
  return new LayerError('FIXED_CHANNEL', `${what}${reasons.length ? ` because ${reasons.join('; ')}` : ''}`, {
    node: root.layer.name,
    operator: root.layer.node.opType,
    repair: 'Choose other channels or another layer; explain(layer) lists what is fixed.',
  });
}
