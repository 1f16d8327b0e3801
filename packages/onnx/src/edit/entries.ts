/** Entries of a graph's lists under other names: always copies, what they were may still be wanted. */
import { shallowCloneProto } from '../clone.ts';
import type { GraphProto, TensorAnnotation, TensorProto, ValueInfoProto } from '../proto.ts';

/** The tensor under another name; its content is shared. */
export function named(tensor: TensorProto, name: string): TensorProto {
  return tensor.name === name ? tensor : Object.assign(shallowCloneProto(tensor), { name });
}

/** Renames entries of an ordered list by name, in its place. */
export function renameKey<T extends { name?: string; $unknowns?: Uint8Array[] }>(
  entries: Map<string, T>,
  renamed: ReadonlyMap<string, string>,
): void {
  const changed = [...entries].filter(([name]) => renamed.has(name));
  if (changed.length === 0) return;
  const all = [...entries.values()].map((entry) => renameEntry(entry, renamed));
  entries.clear();
  for (const entry of all) entries.set(entry.name ?? '', entry);
}

/** A copy of a declaration under its new name; the declaration itself where its value keeps its name. */
export function renameEntry<T extends { name?: string; $unknowns?: Uint8Array[] }>(
  entry: T,
  renamed: ReadonlyMap<string, string>,
): T {
  const name = renamed.get(entry.name ?? '');
  return name === undefined ? entry : Object.assign(shallowCloneProto(entry), { name });
}

/** A quantization annotation that follows renamed values. */
export function renameAnnotation(entry: TensorAnnotation, renamed: ReadonlyMap<string, string>): TensorAnnotation {
  const copy = shallowCloneProto(entry);
  copy.tensorName = renamed.get(entry.tensorName ?? '') ?? entry.tensorName;
  copy.quantParameterTensorNames = entry.quantParameterTensorNames.map((parameter) => {
    const value = renamed.get(parameter.value ?? '');
    return value === undefined ? parameter : Object.assign(shallowCloneProto(parameter), { value });
  });
  return copy;
}

/** What a graph declares of a value: as an output, or in its value_info; its name alone where it says nothing. */
export function declarationOf({ valueInfo, output }: GraphProto, value: string): ValueInfoProto {
  const declared = output.find(({ name }) => name === value) ?? valueInfo.find(({ name }) => name === value);
  return declared ?? { name: value };
}
