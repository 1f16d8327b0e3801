/**
 * What runs have exercised: a weight whose node never saw anything but zeros, or always the same, was not put to the
 * test, however well the outputs agree. It must not compare models.
 */
import { type Checkpoints, inputsOf } from './checkpoints.ts';
import type { DynamicResult, Seen } from './dynamic-check.ts';

/** Why the runs show less than they should; empty where they show all. */
export function unexercised(checkpoints: Checkpoints, { seen, outputs }: DynamicResult): string[] {
  const weights = checkpoints.readings.flatMap(({ initializer, nodes }) => {
    if (nodes.length === 0) return [];
    const why = nodes.map((node) => whyIdle(checkpoints, seen, node));
    return why.includes(undefined) ? [] : [`the weights '${initializer}' were not put to the test: ${why[0]}`];
  });
  const constants = outputs.flatMap(({ name }) => {
    if (!checkpoints.dependent.has(name) || variesInFront(checkpoints, seen, name)) return [];
    const values = seen.map((draw) => draw.get(name));
    const what = values.every((one) => one?.zero)
      ? 'zero everywhere'
      : values.some((one) => one?.finite)
        ? 'the same for all inputs'
        : 'not a number anywhere';
    return [`output '${name}' is ${what}, and so is what it is computed from`];
  });
  return [...weights, ...constants];
}

function whyIdle(
  { dependent }: Checkpoints,
  seen: readonly ReadonlyMap<string, Seen>[],
  node: Checkpoints['readings'][number]['nodes'][number],
): string | undefined {
  const inputs = node.inputs.filter((name) => seen[0]?.has(name));
  // What cannot be passed out of a session cannot be looked at either: say so rather than assume.
  if (inputs.length === 0) return `the input '${node.inputs[0]}' of its node cannot be looked at`;
  const of = (name: string): Seen[] => seen.flatMap((draw) => draw.get(name) ?? []);
  const alive = inputs.filter((name) => of(name).some((one) => !one.zero && one.finite));
  if (alive.length === 0) return `the input '${inputs[0]}' of its node is zero or not a number everywhere`;
  if (!alive.some((name) => !dependent.has(name) || varies(seen, name))) {
    return `the input '${alive[0]}' of its node is the same for all inputs`;
  }
  const known = node.outputs.filter((name) => seen[0]?.has(name));
  if (known.length === 0 || known.some((name) => of(name).some((one) => one.finite))) return undefined;
  return `the output '${known[0]}' of its node is not a number anywhere`;
}

function varies(seen: readonly ReadonlyMap<string, Seen>[], name: string): boolean {
  const first = seen[0]?.get(name);
  const others = seen.slice(1).flatMap((draw) => draw.get(name) ?? []);
  return others.some((other) => first !== undefined && other.dims === first.dims && other.digest !== first.digest);
}

/** Whether the value varies over the inputs, or is computed from one that was looked at and does. */
function variesInFront(
  { producers }: Checkpoints,
  seen: readonly ReadonlyMap<string, Seen>[],
  output: string,
): boolean {
  const visited = new Set<string>();
  const open = [output];
  const graphInputs = new Set<string>();
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (visited.has(name)) continue;
    visited.add(name);
    const producer = producers.get(name);
    if (!producer) graphInputs.add(name);
    else if (varies(seen, name) && seen.some((draw) => draw.get(name)?.finite)) return true;
    else for (const input of inputsOf(producer)) open.push(input);
  }
  return false;
}
