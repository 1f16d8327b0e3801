/**
 * What every weight of a pruned model must be: the original's numbers at the kept indices. Worked out from indices
 * alone, by other code than the one that prunes. It must not run models.
 */
import { bitsPerElement, type TensorProto, tensorBytes, tensorDims } from '@onnx-pruning/onnx';
import { axesOf, groupAxis, type PlannedRemoval } from './planned-removal.ts';

/** Names of the constants that lose channels. */
export function rewrittenConstants(planned: PlannedRemoval): string[] {
  const { constants } = planned.graph.analysis.shapes;
  return [...constants.keys()].filter((name) => axesOf(planned, name).some((term) => planned.kept.changes(term)));
}

/** @param found the constants of a pruned model; @returns what differs, one sentence for each constant */
export function checkGathered(planned: PlannedRemoval, found: ReadonlyMap<string, TensorProto>): string[] {
  const { constants } = planned.graph.analysis.shapes;
  return rewrittenConstants(planned).flatMap((name) => {
    const other = found.get(name);
    const what = other ? gatherDifference(planned, name, constants.get(name)!, other) : 'it is missing';
    return what ? [`initializer '${name}': ${what}`] : [];
  });
}

function gatherDifference(
  planned: PlannedRemoval,
  name: string,
  original: TensorProto,
  found: TensorProto,
): string | undefined {
  const bits = bitsPerElement(original.dataType);
  // Elements of less than a byte are compared with what the engine packs, which its own tests cover.
  if (bits < 8) return undefined;
  const width = bits / 8;
  const [from, to] = [tensorBytes(original), tensorBytes(found)];
  let at = 0;
  let wrong: string | undefined;
  forEachSource(planned, name, tensorDims(original), (source) => {
    for (let byte = 0; byte < width; byte++, at++) {
      if (from[source * width + byte] === to[at]) continue;
      const place = `element ${Math.floor(at / width)} of [${tensorDims(found).join(', ')}]`;
      wrong ??= `${place} is not element ${source} of the original`;
    }
  });
  return wrong ?? (at === to.length ? undefined : `expected ${at / width} elements, found ${to.length / width}`);
}

/** Visits the flat index into the original of every element that stays, in order. */
function forEachSource(
  planned: PlannedRemoval,
  name: string,
  dims: readonly number[],
  visit: (source: number) => void,
): void {
  const axes = axesOf(planned, name);
  const { kept } = planned;
  const { floor } = Math;
  const allOf = (size: number): Int32Array => Int32Array.from({ length: size }, (_, i) => i);
  const listOf = axes.map((term, axis): ((index: readonly number[]) => Int32Array) => {
    const perGroup = kept.perGroup(term);
    const list = perGroup ? undefined : (kept.of(term) ?? allOf(dims[axis]!));
    if (!perGroup) return () => list!;
    // The groups of a family lie on an axis of their own, or in the rows of the first axis.
    const outer = Math.max(0, groupAxis(axes, axis));
    const each = dims[outer]! / perGroup.length;
    return (index) => perGroup[floor(index[outer]! / each)]!;
  });
  const index = new Array<number>(dims.length).fill(0);
  const walk = (axis: number, base: number): void => {
    if (axis === dims.length) {
      visit(base);
      return;
    }
    const list = listOf[axis]!(index);
    const last = axis === dims.length - 1;
    for (let k = 0; k < list.length; k++) {
      index[axis] = list[k]!;
      const source = base * dims[axis]! + list[k]!;
      if (last) visit(source);
      else walk(axis + 1, source);
    }
  };
  walk(0, 0);
}
