/**
 * `npm run release` in a copy of the repository, with the npm that is installed for packing, and with one that only writes
 * down what it is told for publishing. Nothing leaves the machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { root, useBuild } from './built.ts';

useBuild();

const folder = mkdtempSync(join(tmpdir(), 'release-'));
const copy = join(folder, 'repository');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (path: string): string => readFileSync(join(copy, path), 'utf8');
const json = (path: string) => JSON.parse(read(path));
const replace = (path: string, from: string | RegExp, to: string): void =>
  writeFileSync(join(copy, path), read(path).replace(from, to));

function git(...args: string[]): string {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
  return execFileSync('git', [...who, ...args], { cwd: copy, encoding: 'utf8' });
}

function commit(): void {
  git('add', '-A');
  git('commit', '-qm', 'x');
}

const reset = (): void => void git('checkout', '-q', '--', '.');

/** The programs that the scripts use, and the packages of the copy under their names. */
function linkModules(): void {
  const [from, to] = [join(root, 'node_modules'), join(copy, 'node_modules')];
  mkdirSync(join(to, '@onnx-pruning'), { recursive: true });
  for (const name of readdirSync(from)) if (name !== '@onnx-pruning') symlinkSync(join(from, name), join(to, name));
  for (const path of json('package.json').workspaces as string[]) {
    const { name } = json(`${path}/package.json`);
    if (name.startsWith('@onnx-pruning/')) symlinkSync(join(copy, path), join(to, name));
  }
}

beforeAll(() => {
  const left = new Set(['node_modules', '.git', 'out', '.cache', 'coverage']);
  const filter = (path: string): boolean => !left.has(basename(path));
  cpSync(root, copy, { recursive: true, preserveTimestamps: true, filter });
  linkModules();
  git('init', '-q', '-b', 'main');
  // Whatever the changelog says today: a released version, and something new.
  replace('CHANGELOG.md', /^## [\s\S]*/m, '## Unreleased\n\n- Something new.\n\n## 0.0.1\n\nThe first version.\n');
  commit();
});

interface Ran {
  readonly code: number | null;
  readonly text: string;
}

function release(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ran {
  const program = join(copy, 'scripts', 'release.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { code: status, text: stdout + stderr };
}

const manifests = (): string[] => [
  'package.json',
  ...json('package.json').workspaces.map((path: string) => `${path}/package.json`),
];

/** The next version that is none yet. */
const before = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version as string;
const NEXT = `${Number(before.split('.')[0]) + 1}.0.0`;

describe('before a release', () => {
  afterEach(reset);

  it.each([
    ['0.2', /no version/],
    ['0.0.9', /must be later/],
    [before, /must be later/],
    [`${before}-beta.1`, /must be later/],
  ])('the version cannot become %s', (version, reason) => {
    const { code, text } = release(['--version', version]);
    expect(text).toMatch(reason);
    expect(code).toBe(1);
    expect(git('status', '--porcelain')).toBe('');
  });

  it.each([
    ['## Unreleased\n\n- Something new.\n\n', '', /no section '## Unreleased'/],
    ['- Something new.\n', '', /is empty/],
  ])('a changelog without news is refused', (from, to, reason) => {
    replace('CHANGELOG.md', from, to);
    const changed = git('status', '--porcelain');
    const { code, text } = release(['--version', NEXT]);
    expect(text).toMatch(reason);
    expect(code).toBe(1);
    expect(git('status', '--porcelain')).toBe(changed);
  });

  it('the version is set or a release is tried, not both', () => {
    const { code, text } = release(['--version', NEXT, '--dry-run']);
    expect(text).toContain('--version stands alone');
    expect(code).toBe(1);
    expect(git('status', '--porcelain')).toBe('');
  });

  it('a changelog without the version and a day is refused', () => {
    const { code, text } = release(['--dry-run']);
    expect(text).toMatch(/must begin with .* and begins with '## Unreleased'.*--version/);
    expect(code).toBe(1);
  });

  it.each([
    [
      'packages/ops/package.json',
      /"version": "[^"]*"/,
      '"version": "0.0.7"',
      /packages\/ops\/package.json: the version is 0.0.7/,
    ],
    ['packages/ops/package.json', /("@onnx-pruning\/onnx": )"/, '$1"^', /needs @onnx-pruning\/onnx in version \^/],
    [
      'bench/package.json',
      /("@onnx-pruning\/cost": )"[^"]*"/,
      '$1"*"',
      /bench\/package.json: needs @onnx-pruning\/cost in version \*/,
    ],
    ['package-lock.json', /("@onnx-pruning\/cost": )"[^"]*"/, '$1"0.0.7"', /package-lock.json: .* in version 0.0.7/],
  ])('versions out of step are refused: %s', (path, from, to, reason) => {
    replace(path, from, to);
    for (const script of ['release.js', 'versions.js']) {
      const { status, stderr } = spawnSync(process.execPath, [join(copy, 'scripts', script)], { encoding: 'utf8' });
      expect(stderr).toMatch(reason);
      expect(status).toBe(1);
    }
  });
});

describe('a release', () => {
  it('has its version everywhere, and a day in the changelog', () => {
    const days = [new Date().toISOString().slice(0, 10)];
    const { code, text } = release(['--version', NEXT]);
    days.push(new Date().toISOString().slice(0, 10));
    expect(text).toContain(`version ${before} -> ${NEXT}`);
    expect(code).toBe(0);
    const [, dated] = read('CHANGELOG.md').match(/^(## [\s\S]*)\n## 0\.0\.1/m)!;
    expect(days.map((day) => `## ${NEXT} - ${day}\n\n- Something new.\n`)).toContain(dated);
    expect(git('diff', '--name-only').trim().split('\n').sort()).toEqual(
      ['CHANGELOG.md', 'package-lock.json', ...manifests()].sort(),
    );
    // Nothing but versions changed: with the old ones put back, the manifests are as they were.
    const own = new Set(manifests().map((path) => json(path).name));
    for (const path of manifests()) {
      const { version, dependencies = {}, devDependencies = {} } = json(path);
      const needed = Object.entries({ ...dependencies, ...devDependencies }).filter(([name]) => own.has(name));
      expect([version, ...needed.map(([, range]) => range)].every((one) => one === NEXT)).toBe(true);
      expect(read(path).replaceAll(`"${NEXT}"`, `"${before}"`)).toBe(git('show', `HEAD:${path}`));
    }
    // npm finds the lock file and the manifests to agree.
    const { status, stderr } = spawnSync('npm', ['ls', '--package-lock-only', '--workspaces', '--depth', '0'], {
      cwd: copy,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('is made of what is committed, on main', () => {
    expect(release(['--dry-run']).text).toMatch(/Not everything is committed:\n.*CHANGELOG.md/);
    commit();
    git('checkout', '-qb', 'other');
    expect(release(['--dry-run']).text).toContain('Releases are made on main, and this is other');
    git('checkout', '-q', 'main');
  });

  it('is packed in the order of publishing, and nothing is published, in a dry run', () => {
    const { code, text } = release(['--dry-run', '--skip-tests']);
    expect(text).toContain('SKIPPED: types, style and tests');
    expect(text).toContain('nothing is published');
    expect(code).toBe(0);
    const packed = [...text.matchAll(/^ok {2}(\S+): (\S+\.tgz)$/gm)];
    const names = packed.map(([, name]) => name!);
    expect(names).toContain('onnx-pruning');
    expect(names).not.toContain('@onnx-pruning/bench');
    for (const [, name, tarball] of packed) {
      const listed = execFileSync('tar', ['xzOf', tarball!, 'package/package.json'], { encoding: 'utf8' });
      const { version, dependencies = {} } = JSON.parse(listed);
      expect(version).toBe(NEXT);
      const needed = Object.keys(dependencies).filter((one) => names.includes(one));
      for (const one of needed) expect(names.indexOf(one)).toBeLessThan(names.indexOf(name!));
    }
    expect(git('status', '--porcelain')).toBe('');
  });

  describe('that npm publishes', () => {
    const bin = join(folder, 'bin');
    const log = join(folder, 'published');

    beforeAll(() => {
      mkdirSync(bin);
      // Packs and builds nothing, and fails to publish what FAILING says.
      writeFileSync(
        join(bin, 'npm'),
        `#!/bin/sh
case "$1" in
  pack) echo "[{ \\"filename\\": \\"$(basename "$PWD").tgz\\" }]";;
  publish) basename "$2" .tgz >> '${log}'; test "$(basename "$2" .tgz)" != "$FAILING";;
esac
`,
      );
      chmodSync(join(bin, 'npm'), 0o755);
    });
    beforeEach(() => rmSync(log, { force: true }));

    const published = (): string[] => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
    const PATH = `${bin}:${process.env.PATH}`;

    it('goes to the end where nothing fails, and says how to mark it', () => {
      const { code, text } = release(['--skip-tests'], { PATH });
      expect(text).toContain(`git tag v${NEXT}`);
      expect(code).toBe(0);
      expect(published()[0]).toBe('onnx');
      expect(published().at(-1)).toBe('onnx-pruning');
      expect(new Set(published()).size).toBe(published().length);
    });

    it('stops where a package fails, and goes on from there', () => {
      const { code, text } = release(['--skip-tests'], { PATH, FAILING: 'cost' });
      expect(code).toBe(1);
      expect(text).toContain('npm could not publish @onnx-pruning/cost.');
      expect(text).toContain('npm run release -- --from @onnx-pruning/cost');
      expect(published().at(-1)).toBe('cost');
      const first = published().slice(0, -1);
      rmSync(log);
      expect(release(['--skip-tests', '--from', '@onnx-pruning/cost'], { PATH }).code).toBe(0);
      expect(published()[0]).toBe('cost');
      const all = [...first, ...published()];
      expect(new Set(all).size).toBe(all.length);
      expect(all.length).toBe(manifests().filter((path) => json(path).private !== true).length);
    });

    it('has no package of a name that is none', () => {
      const { code, text } = release(['--skip-tests', '--from', 'nothing'], { PATH });
      expect(text).toContain('There is no package nothing: expected one of @onnx-pruning/onnx');
      expect(code).toBe(1);
      expect(published()).toEqual([]);
    });

    it('runs types, style and tests unless they are left out', () => {
      const { code, text } = release(['--dry-run'], { PATH });
      expect(text).toMatch(/ok {2}types and style\nok {2}tests\n/);
      expect(text).not.toContain('SKIPPED');
      expect(code).toBe(0);
    });
  });
});

it('every package of the repository is a workspace, so that none is left behind', () => {
  const found = git('ls-files', 'packages/*/package.json').trim().split('\n').map(dirname);
  expect(json('package.json').workspaces).toEqual(expect.arrayContaining(found));
});
