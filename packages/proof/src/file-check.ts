/**
 * The static half of the proof: the pruned file is what the original and the plan's groups say, bit for bit. It finds a
 * wrong weight, index or size also where no run can see it: behind a dead activation, in rows that no input draws.
 * What does not change what a model computes (how numbers are stored, declared shapes of intermediate values, names of
 * nodes, documentation, metadata) may differ. It must not run models, and cannot see a mistake of the equations.
 */
import { constantTensors, type Model, type NodeProto } from '@onnx-pruning/onnx';
import { applyPlan } from '@onnx-pruning/pruning';
import { checkGathered } from './expected-weights.ts';
import type { PlannedRemoval } from './planned-removal.ts';
import { firstDifference, tensorDifference } from './same-message.ts';

/** At most this many differences are named. */
const MOST_NAMED = 8;

/** @returns what differs, one sentence each; empty where the file is as it should be */
export function checkFile(planned: PlannedRemoval, pruned: Model): string[] {
  const expected = planned.original.clone();
  applyPlan(expected, planned.plan, planned.options);
  const names = matchNames(planned, expected, pruned);
  const found = [
    ...names.differences,
    ...checkConstants(expected, pruned, names.bound),
    ...checkInterface(expected, pruned),
  ];
  const gathered = found.length > 0 ? [] : checkGathered(planned, constantTensors(expected.graph));
  return [...found, ...gathered].slice(0, MOST_NAMED);
}

interface MatchedNames {
  /** Names of the pruned file by expected name. */
  readonly bound: ReadonlyMap<string, string>;
  readonly differences: string[];
}

const computing = (model: Model): NodeProto[] => {
  const constants = constantTensors(model.graph);
  return model.graph.node.filter((node) => !constants.has(node.output[0] ?? ''));
};

/** Compares nodes in order, and lets values that the original does not have be called anything. */
function matchNames({ graph }: PlannedRemoval, expected: Model, pruned: Model): MatchedNames {
  const known = graph.analysis.shapes.values;
  const bound = new Map<string, string>();
  const differences: string[] = [];
  const [right, found] = [computing(expected), computing(pruned)];
  if (right.length !== found.length) differences.push(`expected ${right.length} nodes, found ${found.length}`);
  const bind = (name: string, other: string): boolean => {
    if (known.has(name) || name === '') return name === other;
    if (!bound.has(name)) bound.set(name, other);
    return bound.get(name) === other;
  };
  right.slice(0, found.length).forEach((node, i) => {
    const other = found[i]!;
    const what = nodeDifference(node, other, bind);
    if (what) differences.push(`node '${node.name || node.output[0]}' (${node.opType}): ${what}`);
  });
  return { bound, differences };
}

function nodeDifference(
  node: NodeProto,
  other: NodeProto,
  bind: (name: string, other: string) => boolean,
): string | undefined {
  if (
    node.opType !== other.opType ||
    (node.domain ?? '') !== (other.domain ?? '') ||
    node.overload !== other.overload
  ) {
    return `expected ${node.opType}, found ${other.opType}`;
  }
  for (const side of ['input', 'output'] as const) {
    const same = node[side].length === other[side].length && node[side].every((name, i) => bind(name, other[side][i]!));
    if (!same) return `expected ${side}s ${node[side].join(', ')}; found ${other[side].join(', ')}`;
  }
  const byName = (attributes: NodeProto['attribute']) => new Map(attributes.map((one) => [one.name ?? '', one]));
  const [a, b] = [byName(node.attribute), byName(other.attribute)];
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const difference = firstDifference(a.get(name), b.get(name));
    if (difference) return `attribute ${name}: ${difference}`;
  }
  return undefined;
}

function checkConstants(expected: Model, pruned: Model, bound: ReadonlyMap<string, string>): string[] {
  const found = constantTensors(pruned.graph);
  return [...constantTensors(expected.graph)].flatMap(([name, tensor]) => {
    const other = found.get(bound.get(name) ?? name);
    const what = other ? tensorDifference(tensor, other) : 'it is missing';
    return what ? [`initializer '${name}': ${what}`] : [];
  });
}

/** Inputs, outputs, operator sets, functions, and what is stored sparsely. */
function checkInterface(expected: Model, pruned: Model): string[] {
  const parts: [string, unknown, unknown][] = [
    ['the inputs of the graph', expected.graph.input, pruned.graph.input],
    ['the outputs of the graph', expected.graph.output, pruned.graph.output],
    ['the operator sets', expected.proto.opsetImport, pruned.proto.opsetImport],
    ['the functions', expected.proto.functions, pruned.proto.functions],
    ['sparse initializers', expected.graph.sparseInitializer, pruned.graph.sparseInitializer],
  ];
  return parts.flatMap(([what, a, b]) => {
    const difference = firstDifference(a, b);
    return difference ? [`${what}: ${difference}`] : [];
  });
}
