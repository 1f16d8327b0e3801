/**
 * What opens files or runs onnxruntime is apart from what does not: the engine (read, analyse, prune, write in memory)
 * could be bundled for a browser. Read from the imports of the sources.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const packages = resolve(__dirname, '..', '..');

function sourcesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sourcesOf(path) : entry.name.endsWith('.ts') ? [path] : [];
  });
}

const importsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/\bfrom '([^']+)';/g)].map(([, from]) => from!);

/** Modules that are there when a source runs: statements that import types alone leave nothing behind. */
const loadedBy = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/\b(?:import|export)\s+(?!type\b)[^;]*?\bfrom '([^']+)';/g)].map(
    ([, from]) => from!,
  );

/** What a source imports: sources of this project by path, others by name. In a browser, the codec is what works in memory. */
function resolved(path: string, from: string): string {
  if (from.startsWith('.')) return resolve(dirname(path), from);
  const [, name] = /^@onnx-pruning\/([a-z]+)$/.exec(from) ?? [];
  return name ? join(packages, name, 'src', name === 'onnx' ? 'in-memory.ts' : 'index.ts') : from;
}

/** Everything that some sources import, themselves included. */
function reachable(roots: readonly string[]): Set<string> {
  const found = new Set(roots);
  for (const path of found) {
    if (path.endsWith('.ts')) for (const from of loadedBy(path)) found.add(resolved(path, from));
  }
  return found;
}

const shown = (path: string): string => (existsSync(path) ? relative(packages, path) : path);

describe('the engine', () => {
  const engine = ['pruning', 'cost', 'report'].map((name) => join(packages, name, 'src', 'index.ts'));
  const reached = [...reachable(engine)].map(shown).sort();

  it('opens no files: of Node.js it needs a digest alone, which one source asks for', () => {
    expect(reached.filter((name) => name.startsWith('node:') || name.includes('onnxruntime'))).toEqual(['node:crypto']);
    expect(reached.filter((name) => name.startsWith('onnx/src/files/'))).toEqual([]);
    const askers = reached.filter(
      (name) => name.endsWith('.ts') && importsOf(join(packages, name)).includes('node:crypto'),
    );
    expect(askers).toEqual(['onnx/src/sha256.ts']);
    // The search follows imports through all rooms.
    expect(reached).toEqual(
      expect.arrayContaining(['onnx/src/decode.ts', 'depgraph/src/terms/unify.ts', 'protobufjs/light.js']),
    );
  });

  it('onnxruntime-node is imported by the runtime alone', () => {
    const importing = readdirSync(packages).filter((name) =>
      sourcesOf(join(packages, name, 'src')).some((path) =>
        importsOf(path).some((from) => from.startsWith('onnxruntime')),
      ),
    );
    expect(importing).toEqual(['runtime']);
  });
});
