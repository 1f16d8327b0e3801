/**
 * Releases all packages, or prepares to. It stops at the first thing that is not as it must be, and says what to do. It
 * changes files only with --version, and publishes only without --dry-run.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packAll, packageFolders } from './pack.js';
import { currentVersion, filesWithVersion, ROOT, versionProblems, writeFiles } from './versions.js';

const USAGE = `Usage: npm run release -- [options]

  --version <x.y.z>  set the version of all packages, and date the changelog's unreleased section; publishes nothing
  --dry-run          check and pack everything, and publish nothing
  --skip-tests       leave out types, style and tests
  --from <package>   publish this package and those after it: goes on with a release that stopped
  --help`;

const CHANGELOG = 'CHANGELOG.md';
const UNRELEASED = '## Unreleased';
const BRANCH = 'main';

/** What a person has to see to: said without a stack. */
class Stop extends Error {}

const say = (text) => process.stdout.write(`${text}\n`);
const changelog = () => readFileSync(join(ROOT, CHANGELOG), 'utf8');
const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();

/** Runs a command in the repository. @throws Stop when it fails, after it has said why */
function mustRun(what, command, args) {
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Stop(`${what} failed: ${command} ${args.join(' ')}`);
  say(`ok  ${what}`);
}

/** Numbers of a version, and what marks it as a preview. */
function parsed(version) {
  const parts = /^(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?$/.exec(version);
  if (parts === null) throw new Stop(`'${version}' is no version: expected three numbers, such as 0.2.0`);
  return { numbers: parts.slice(1, 4).map(Number), preview: parts[4] };
}

function isLater(version, than) {
  const [a, b] = [parsed(version), parsed(than)];
  const differs = a.numbers.findIndex((number, i) => number !== b.numbers[i]);
  if (differs >= 0) return a.numbers[differs] > b.numbers[differs];
  if (a.preview === undefined || b.preview === undefined) return a.preview === undefined && b.preview !== undefined;
  return a.preview.localeCompare(b.preview, 'en', { numeric: true }) > 0;
}

/** The changelog with the unreleased section under the version and the day. */
function datedChangelog(version) {
  const text = changelog();
  const start = text.indexOf(`\n${UNRELEASED}\n`) + 1;
  if (start === 0) throw new Stop(`${CHANGELOG} has no section '${UNRELEASED}': write what is new in ${version}`);
  const body = text.slice(start + UNRELEASED.length).split(/^## /m)[0];
  if (body.trim() === '') throw new Stop(`The section '${UNRELEASED}' of ${CHANGELOG} is empty: write what is new`);
  const day = new Date().toISOString().slice(0, 10);
  return text.slice(0, start) + `## ${version} - ${day}` + text.slice(start + UNRELEASED.length);
}

/** Everything is made before anything is written. */
function setVersion(version) {
  const before = currentVersion();
  if (!isLater(version, before)) throw new Stop(`The version must be later than ${before}, and is ${version}`);
  const files = filesWithVersion(version);
  files.set(CHANGELOG, datedChangelog(version));
  writeFiles(files);
  const problems = versionProblems();
  if (problems.length > 0) throw new Stop(`The versions are not in step:\n  ${problems.join('\n  ')}`);
  say(`ok  version ${before} -> ${version} in ${files.size} files, ${CHANGELOG} is dated`);
  say(`Look at it, commit it on ${BRANCH}, and go on with: npm run release -- --dry-run`);
}

function checkVersions() {
  const problems = versionProblems();
  if (problems.length > 0) throw new Stop(`The versions are not in step:\n  ${problems.join('\n  ')}`);
  say(`ok  all packages are in version ${currentVersion()}, and need each other in it`);
}

function checkChangelog() {
  const version = currentVersion();
  const heads = changelog()
    .split('\n')
    .filter((line) => line.startsWith('## '));
  const wanted = new RegExp(`^## ${version.replaceAll('.', '\\.')} - \\d{4}-\\d{2}-\\d{2}$`);
  if (heads.includes(UNRELEASED) || !wanted.test(heads[0] ?? '')) {
    const repair = 'npm run release -- --version <the next one> sets the version and dates the section';
    throw new Stop(
      `${CHANGELOG} must begin with '## ${version} - <date>', and begins with '${heads[0] ?? ''}': ${repair}`,
    );
  }
  say(`ok  ${CHANGELOG}: ${heads[0].slice(3)}`);
}

function checkTree() {
  const branch = git('rev-parse', '--abbrev-ref', 'HEAD');
  if (branch !== BRANCH) throw new Stop(`Releases are made on ${BRANCH}, and this is ${branch}`);
  const changed = git('status', '--porcelain');
  if (changed !== '') throw new Stop(`Not everything is committed:\n${changed}`);
  say(`ok  everything is committed on ${BRANCH}`);
}

function test(isSkipped) {
  mustRun('build', 'npm', ['run', 'build']);
  if (isSkipped) {
    say('--  SKIPPED: types, style and tests (--skip-tests)');
    return;
  }
  mustRun('types and style', 'npm', ['run', 'check']);
  mustRun('tests', 'npm', ['test']);
}

/** Packages with their tarballs, in the order of publishing. */
function pack() {
  const tarballs = packAll(join(ROOT, 'out', 'release'));
  const packed = packageFolders().map((folder, i) => {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return { name, tarball: tarballs[i] };
  });
  for (const { name, tarball } of packed) say(`ok  ${name}: ${tarball}`);
  return packed;
}

/** Those that are to be published: all, or from one on. */
function chosen(packed, from) {
  const first = from === undefined ? 0 : packed.findIndex(({ name }) => name === from);
  if (first < 0)
    throw new Stop(`There is no package ${from}: expected one of ${packed.map(({ name }) => name).join(', ')}`);
  return packed.slice(first);
}

function publish(packages) {
  packages.forEach(({ name, tarball }, i) => {
    const { status } = spawnSync('npm', ['publish', tarball, '--access', 'public'], { cwd: ROOT, stdio: 'inherit' });
    if (status === 0) {
      say(`ok  published ${name}`);
      return;
    }
    const open = packages.slice(i).map((one) => one.name);
    throw new Stop(
      `npm could not publish ${name}. Not published yet: ${open.join(', ')}.\n` +
        `What was published stays. Mend the cause and go on with: npm run release -- --from ${name}`,
    );
  });
  const tag = `v${currentVersion()}`;
  say(`All is published. Mark it with: git tag ${tag} && git push origin ${BRANCH} ${tag}`);
}

function release({ 'dry-run': isDry, 'skip-tests': skipsTests, from }) {
  checkVersions();
  checkChangelog();
  checkTree();
  test(skipsTests);
  const packages = chosen(pack(), from);
  if (isDry)
    say(`Dry run: nothing is published. These would be, in this order: ${packages.map((one) => one.name).join(', ')}`);
  else publish(packages);
}

function main() {
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: {
      version: { type: 'string' },
      from: { type: 'string' },
      'dry-run': flag,
      'skip-tests': flag,
      help: flag,
    },
  });
  const { version, help, ...how } = values;
  if (help) say(USAGE);
  else if (version === undefined) release(how);
  else if (how['dry-run'] || how['skip-tests'] || how.from !== undefined) {
    throw new Stop('--version stands alone: it changes files, and neither checks nor publishes');
  } else setVersion(version);
}

try {
  main();
} catch (error) {
  const isUsage = String(error.code).startsWith('ERR_PARSE_ARGS');
  if (!(error instanceof Stop) && !isUsage) throw error;
  process.stderr.write(`error: ${error.message}\n${isUsage ? `\n${USAGE}\n` : ''}`);
  process.exitCode = 1;
}
