/**
 * The range of integers that a model allows in each of its inputs: those that end up as positions in a table (token ids,
 * classes) may take every row of it. Followed forward from the input; it must not run the model.
 */
import { constantTensors, type Model, readNumbers, tensorDims, tensorSize } from '@onnx-pruning/onnx';
import { indexReading, integersPass } from '@onnx-pruning/ops';

/** Constants of more elements are no offsets of positions. */
const LARGEST_OFFSET = 1 << 16;

/** `[low, high)` by input, where positions were found; several tables leave what all of them allow. */
export function indexRanges(model: Model): Map<string, readonly [low: number, high: number]> {
  const { graph } = model;
  const constants = constantTensors(graph);
  const readers = new Map<string, { node: (typeof graph.node)[number]; input: number }[]>();
  for (const node of graph.node) {
    for (const [input, name] of node.input.entries()) {
      readers.set(name, [...(readers.get(name) ?? []), { node, input }]);
    }
  }
  const ranges = new Map<string, readonly [number, number]>();
  for (const { name: start = '' } of graph.input) {
    let range: readonly [number, number] | undefined;
    const visited = new Set<string>();
    // Values that hold the input's integers, and by how much they are larger.
    const open = [{ name: start, least: 0, most: 0 }];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (visited.has(at.name)) continue;
      visited.add(at.name);
      for (const { node, input } of readers.get(at.name) ?? []) {
        const reading = indexReading(node);
        const table = reading?.indices === input ? constants.get(node.input[reading.table] ?? '') : undefined;
        const rows = table && tensorDims(table).at(reading!.axis);
        if (rows) range = [Math.max(range?.[0] ?? 0, -at.least), Math.min(range?.[1] ?? Infinity, rows - at.most)];
        const pass = integersPass(node, input);
        const offset = pass === 'plus' ? constants.get(node.input[1 - input] ?? '') : undefined;
        if (pass === 'plus' && (!offset || tensorSize(offset) > LARGEST_OFFSET)) continue;
        const added = offset ? readNumbers(offset) : [0];
        const bounds = { least: at.least + Math.min(...added), most: at.most + Math.max(...added) };
        if (pass) for (const output of node.output) open.push({ name: output, ...bounds });
      }
    }
    if (range && range[0] < range[1]) ranges.set(start, range);
  }
  return ranges;
}
