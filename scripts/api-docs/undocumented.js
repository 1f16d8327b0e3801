/**
 * Fails where a name that users can import, or a member of it, has no documentation, and lists them. It reads what typedoc
 * wrote about the entry points, so that a name counts where it is declared, and once, however many inherit it.
 *
 *     node undocumented.js <typedoc's JSON>
 *
 * Fields of ONNX's messages and its enumerations are ONNX's: what they mean stands in its specification, and here only the
 * messages themselves are described.
 */
import { readFileSync } from 'node:fs';

/** Kinds of declarations that are described, by typedoc's numbers. */
const DESCRIBED = new Map([
  [8, 'enumeration'],
  [32, 'constant'],
  [64, 'function'],
  [128, 'class'],
  [256, 'interface'],
  [1024, 'property'],
  [2048, 'method'],
  [262144, 'accessor'],
  [2097152, 'type'],
]);
const MODULES = new Set([1, 2]);
/** What is written out in a signature is described with the function. */
const PARAMETERS = new Set([32768, 131072]);
/** A type that is written out where it is used: its members count, it has no name of its own. */
const NAMELESS = '__type';

const OURS = /^packages\//;
const OF_ONNX = /^packages\/onnx\/src\/(proto|data-type)\.ts$/;

const isDescribed = (reflection) =>
  [reflection, reflection.getSignature, ...(reflection.signatures ?? [])].some((one) => one?.comment !== undefined);

/** Reflections inside one, wherever typedoc has put them: children, signatures, parameters, types. */
function* inside(value) {
  for (const part of Object.values(value)) {
    for (const one of Array.isArray(part) ? part : [part]) {
      if (typeof one !== 'object' || one === null) continue;
      if (typeof one.kind === 'number' && typeof one.name === 'string') yield one;
      else yield* inside(one);
    }
  }
}

/** Whether somebody must describe it, and nobody did. */
function isMissing(reflection, depth) {
  const file = reflection.sources?.[0]?.fileName ?? '';
  if (!DESCRIBED.has(reflection.kind) || reflection.name === NAMELESS || !OURS.test(file)) return false;
  return !isDescribed(reflection) && !(OF_ONNX.test(file) && depth > 1);
}

/** Those without documentation, by the place where they are declared. */
function missingIn(reflection, path, found) {
  const isNamed = !MODULES.has(reflection.kind) && reflection.name !== NAMELESS && reflection.name !== path.at(-1);
  const here = isNamed ? [...path, reflection.name] : path;
  if (isMissing(reflection, here.length)) {
    const { fileName, line } = reflection.sources[0];
    const place = `${fileName}:${line}`;
    const key = `${place} ${reflection.name}`;
    if (!found.has(key)) found.set(key, `${place}  ${DESCRIBED.get(reflection.kind)} ${here.join('.')}`);
  }
  const inner = PARAMETERS.has(reflection.kind) ? [] : inside(reflection);
  for (const one of inner) missingIn(one, here, found);
  return found;
}

const [path] = process.argv.slice(2);
const missing = [...missingIn(JSON.parse(readFileSync(path, 'utf8')), [], new Map()).values()].sort();
for (const line of missing) process.stderr.write(`${line}\n`);
if (missing.length > 0) {
  process.stderr.write(
    `\n${missing.length} public names have no documentation: say what they mean, in which unit and shape\n`,
  );
  process.exitCode = 1;
} else process.stdout.write('every public name is documented\n');
