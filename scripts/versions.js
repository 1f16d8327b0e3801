/**
 * The one version that all packages of this repository have: whether they are in step, and how to set another. A package
 * needs the others in exactly its own version, since what they do not export to users may change in any release.
 *
 *     node scripts/versions.js        fails where they are not in step
 */
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const LOCK = 'package-lock.json';
const DEPENDENCIES = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'];

const read = (root, path) => readFileSync(join(root, path), 'utf8');
const json = (root, path) => JSON.parse(read(root, path));

/** Folders of the root and of all workspaces, relative to the root. */
function folders(root) {
  return ['', ...json(root, 'package.json').workspaces];
}

const manifestPath = (folder) => (folder === '' ? 'package.json' : `${folder}/package.json`);

/** The version of the repository. */
export function currentVersion(root = ROOT) {
  return json(root, 'package.json').version;
}

/** Names of the packages of this repository. */
function ownNames(root) {
  return new Set(folders(root).map((folder) => json(root, manifestPath(folder)).name));
}

/** What a manifest, or its entry in the lock file, says that differs from the version: sentences. */
function problemsIn(where, entry, version, own) {
  const problems = entry.version === version ? [] : [`${where}: the version is ${entry.version}`];
  for (const kind of DEPENDENCIES) {
    for (const [name, range] of Object.entries(entry[kind] ?? {})) {
      if (own.has(name) && range !== version) problems.push(`${where}: needs ${name} in version ${range}`);
    }
  }
  return problems;
}

/** Where versions are not in step: sentences; none where they are. */
export function versionProblems(root = ROOT) {
  const version = currentVersion(root);
  const own = ownNames(root);
  const locked = json(root, LOCK).packages;
  return folders(root).flatMap((folder) => {
    const manifest = problemsIn(manifestPath(folder), json(root, manifestPath(folder)), version, own);
    const entry = locked[folder];
    if (entry === undefined) return [...manifest, `${LOCK}: has no entry for '${folder}'`];
    return [...manifest, ...problemsIn(`${LOCK}: ${folder || 'the root'}`, entry, version, own)];
  });
}

/** The text of a manifest with another version: nothing else in it changes, not even how it is laid out. */
function withVersion(text, version, own) {
  let changed = text.replace(/^(\s*"version":\s*)"[^"]*"/m, `$1"${version}"`);
  const manifest = JSON.parse(text);
  const needed = DEPENDENCIES.flatMap((kind) => Object.entries(manifest[kind] ?? {})).filter(([name]) => own.has(name));
  for (const [name, range] of needed) {
    changed = changed.replaceAll(
      new RegExp(`"${name}":(\\s*)${escaped(`"${range}"`)}`, 'g'),
      `"${name}":$1"${version}"`,
    );
  }
  return changed;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function lockWithVersion(lock, version, paths, own) {
  for (const path of paths) {
    const entry = lock.packages[path];
    if (entry.version !== undefined) entry.version = version;
    for (const kind of DEPENDENCIES) {
      for (const name of Object.keys(entry[kind] ?? {})) if (own.has(name)) entry[kind][name] = version;
    }
  }
  if (lock.version !== undefined) lock.version = version;
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/** The files that change when the version does, with their new texts. Writes nothing. */
export function filesWithVersion(version, root = ROOT) {
  const own = ownNames(root);
  const files = new Map();
  for (const path of folders(root).map(manifestPath)) files.set(path, withVersion(read(root, path), version, own));
  files.set(LOCK, lockWithVersion(json(root, LOCK), version, folders(root), own));
  return files;
}

/** Writes texts by their paths. */
export function writeFiles(files, root = ROOT) {
  for (const [path, text] of files) writeFileSync(join(root, path), text);
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const problems = versionProblems();
  for (const problem of problems) process.stderr.write(`${problem}; expected ${currentVersion()}\n`);
  if (problems.length > 0) process.exitCode = 1;
  else process.stdout.write(`all packages are in version ${currentVersion()}, and need each other in it\n`);
}
