/**
 * The corpus of the fuzzer: it has the example of every operator, and what once broke the engine ends as it should now.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeModel, GraphBuilder } from '@onnx-pruning/onnx';
import type { OperatorCase } from '../../packages/ops/cases/case.ts';
import { tryModel } from '../src/fuzz/trial.ts';

const corpus = join(__dirname, '..', 'corpus');
const casesFolder = join(__dirname, '..', '..', 'packages', 'ops', 'cases');

/** Larger examples add weights, nothing else. */
const LARGEST = 4000;

/** The examples of all operators by the name of their file: the operator's, and a number from the second one on. */
function examples(): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const file of readdirSync(casesFolder).filter((name) => name.endsWith('.cases.ts'))) {
    const lists = Object.values(jest.requireActual<Record<string, readonly OperatorCase[]>>(join(casesFolder, file)));
    for (const { name, opset, build } of lists.flat()) {
      const builder = new GraphBuilder({ opset });
      build(builder);
      const bytes = encodeModel(builder.build());
      if (bytes.length <= LARGEST) files.set(freeName(name, files), bytes);
    }
  }
  return files;
}

function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  const operator = (name.split(':')[0] ?? '')
    .replace(/[^a-z0-9]+/gi, '-')
    .replace(/-$/, '')
    .toLowerCase();
  let free = operator;
  for (let n = 2; taken.has(free); n++) free = `${operator}-${n}`;
  return free;
}

it('has the examples of all operators', () => {
  const path = (name: string): string => join(corpus, 'operators', `${name}.onnx`);
  const missing = [...examples()].filter(([name]) => !existsSync(path(name)));
  if (process.env.UPDATE_CORPUS) for (const [name, bytes] of missing) writeFileSync(path(name), bytes);
  else expect(missing.map(([name]) => name)).toEqual([]);
});

describe('files that once broke the engine', () => {
  const folder = join(corpus, 'damaged');
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<string, string>;

  it.each(Object.entries(expected))('%s: %s', (name, outcome) => {
    const { kind, what } = tryModel(new Uint8Array(readFileSync(join(folder, `${name}.onnx`))), corpus);
    expect(kind === 'refused' ? what : kind).toBe(outcome);
  });

  it('are all listed', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.onnx'));
    expect(files.map((name) => name.replace('.onnx', '')).sort()).toEqual(Object.keys(expected).sort());
  });
});
