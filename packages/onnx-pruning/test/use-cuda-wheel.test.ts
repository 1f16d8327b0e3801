/** The script that takes CUDA libraries out of a wheel, with made-up wheels in a made-up project. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import AdmZip from 'adm-zip';
import { node, root } from './built.ts';

const SCRIPT = join(root, 'packages', 'onnx-pruning', 'scripts', 'use-cuda-wheel.js');
const [SHARED, CUDA] = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'] as const;

let project: string;
let libraries: string;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'cuda-'));
  libraries = join(project, 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64');
  mkdirSync(libraries, { recursive: true });
  writeFileSync(join(project, 'package.json'), '{}');
  writeFileSync(join(project, 'node_modules/onnxruntime-node/package.json'), '{ "version": "1.30.0" }');
  writeFileSync(join(libraries, 'libonnxruntime.so.1'), 'the CPU');
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

interface Parts {
  readonly name?: string;
  readonly version?: string;
  readonly tag?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** What a wheel holds, by path. */
function contentsOf({
  name = 'onnxruntime_gpu',
  version = '1.30.0',
  tag = 'cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64',
  files = { [SHARED]: 'shared', [CUDA]: 'before\0libcudart.so.13\0behind' },
}: Parts): Record<string, string> {
  const info = `${name}-${version}.dist-info`;
  return {
    ...Object.fromEntries(Object.entries(files).map(([file, text]) => [`onnxruntime/capi/${file}`, text])),
    'onnxruntime/capi/libonnxruntime.so.1.30.0': 'not this one',
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nTag: ${tag}\n`,
  };
}

function wheel(parts: Parts = {}): string {
  const zip = new AdmZip();
  for (const [path, text] of Object.entries(contentsOf(parts))) zip.addFile(path, Buffer.from(text));
  const path = join(project, 'some.whl');
  zip.writeZip(path);
  return path;
}

function unpacked(parts: Parts = {}): string {
  const folder = join(project, 'unpacked');
  for (const [path, text] of Object.entries(contentsOf(parts))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  // As in site-packages: other packages have such folders, too.
  mkdirSync(join(folder, 'numpy-2.0.0.dist-info'));
  writeFileSync(join(folder, 'numpy-2.0.0.dist-info/METADATA'), 'Name: numpy\nVersion: 2.0.0\n');
  return folder;
}

const use = (...args: string[]) => node([SCRIPT, ...args], { cwd: project });
const installed = (name: string): string => readFileSync(join(libraries, name), 'utf8');

describe.each([
  ['a wheel', wheel],
  ['a folder', unpacked],
])('%s of the same version', (_, make) => {
  it('gives both libraries, and the script says for which CUDA, what to set and how to check', async () => {
    const { code, stdout, stderr } = await use(make());
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(readdirSync(libraries).sort()).toEqual(['libonnxruntime.so.1', CUDA, SHARED].sort());
    expect([installed(SHARED), installed(CUDA)]).toEqual(['shared', 'before\0libcudart.so.13\0behind']);
    expect(installed('libonnxruntime.so.1')).toBe('the CPU');
    expect(statSync(join(libraries, CUDA)).mode & 0o111).not.toBe(0);
    expect(stdout).toContain('for CUDA 13');
    expect(stdout).toContain('LD_LIBRARY_PATH');
    expect(stdout).toContain('--provider cuda');
  });

  it('replaces libraries that are there', async () => {
    writeFileSync(join(libraries, CUDA), 'of CUDA 12');
    expect((await use(make())).code).toBe(0);
    expect(installed(CUDA)).toContain('libcudart.so.13');
  });
});

describe('nothing is copied', () => {
  const refused = async (args: readonly string[], reason: RegExp): Promise<void> => {
    const before = existsSync(libraries) ? readdirSync(libraries) : [];
    const { code, stdout, stderr } = await use(...args);
    expect(stderr).toMatch(reason);
    // One sentence, and no stack.
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(existsSync(libraries) ? readdirSync(libraries) : []).toEqual(before);
  };

  it.each<[string, Parts, RegExp]>([
    ['another version', { version: '1.29.0' }, /is 1\.30\.0, and the wheel is 1\.29\.0.*onnxruntime-gpu==1\.30\.0/],
    ['a version for the CPU', { name: 'onnxruntime' }, /no wheel of onnxruntime-gpu/],
    ['another processor', { tag: 'cp312-cp312-manylinux_2_28_aarch64' }, /not for Linux on x86_64/],
    ['another system', { tag: 'cp312-cp312-win_amd64' }, /not for Linux on x86_64/],
    ['a library missing', { files: { [SHARED]: 'shared' } }, /has no libonnxruntime_providers_cuda\.so in/],
    ['both missing', { files: {} }, /has no libonnxruntime_providers_shared\.so and no libonnxruntime_providers_cuda/],
  ])('from a wheel with %s', async (_, parts, reason) => {
    await refused([wheel(parts)], reason);
    await refused([unpacked(parts)], reason);
  });

  it('from what is no zip file, and from a damaged one', async () => {
    const text = join(project, 'text.whl');
    writeFileSync(text, 'hello');
    await refused([text], /cannot be read as a wheel/);
    const path = wheel();
    const bytes = readFileSync(path);
    // In the content of a library, which is stored or deflated: its checksum does not fit any more.
    bytes[bytes.indexOf(SHARED) + SHARED.length + 3]! ^= 0xff;
    writeFileSync(path, bytes);
    await refused([path], /cannot be read as a wheel/);
  });

  it('from nothing, from a pipe, and from several', async () => {
    await refused([join(project, 'gone.whl')], /neither a file nor a folder/);
    execFileSync('mkfifo', [join(project, 'pipe')]);
    await refused([join(project, 'pipe')], /neither a file nor a folder/);
    await refused([], /give one wheel/);
    await refused([wheel(), wheel()], /give one wheel/);
  });

  it('where onnxruntime-node is not installed, or not for Linux on x64', async () => {
    const path = wheel();
    rmSync(libraries, { recursive: true });
    await refused([path], /no libraries for linux x64/);
    rmSync(join(project, 'node_modules'), { recursive: true });
    await refused([path], /onnxruntime-node is not installed/);
  });

  it('where the second library cannot be written, or not be put in its place', async () => {
    // Folders in the way: nobody can write a file there, whatever the permissions are.
    for (const blocked of [`.${CUDA}.tmp`, `.${CUDA}.old`]) {
      for (const name of [SHARED, CUDA]) writeFileSync(join(libraries, name), 'as it was');
      mkdirSync(join(libraries, blocked));
      await refused([wheel()], /cannot be written to .* nothing was changed/);
      expect([installed(SHARED), installed(CUDA)]).toEqual(['as it was', 'as it was']);
      rmSync(join(libraries, blocked), { recursive: true });
    }
  });
});

it('is a part of the package', () => {
  const folder = join(root, 'packages', 'onnx-pruning');
  const told = execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
  const paths = JSON.parse(told)[0].files.map(({ path }: { path: string }) => path);
  expect(paths).toContain('scripts/use-cuda-wheel.js');
});
