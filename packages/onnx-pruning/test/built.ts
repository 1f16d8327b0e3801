/**
 * Runs what users run: the built packages, in processes of their own. Builds them first (a moment where nothing has
 * changed), so that no test passes or fails on an old build.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(__dirname, '..', '..', '..');
export const bin = join(root, 'packages', 'onnx-pruning', 'bin', 'onnx-pruning.js');

/** Runs the TypeScript compiler. @throws with what it printed */
export function tsc(args: readonly string[]): void {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    execFileSync(process.execPath, [compiler, ...args], { cwd: root, stdio: 'pipe' });
  } catch (error) {
    throw new Error(`tsc ${args.join(' ')}: ${(error as { stdout: Buffer }).stdout}`);
  }
}

/** Before the tests of this file: everything is built. */
export function useBuild(): void {
  beforeAll(() => tsc(['-b']), 120_000);
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of Node.js to its end. */
export function node(
  args: readonly string[],
  { cwd = root, readsOutput = true }: { cwd?: string; readsOutput?: boolean } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' } });
    let stdout = '';
    let stderr = '';
    if (readsOutput) child.stdout.on('data', (chunk) => (stdout += chunk));
    else child.stdout.destroy();
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A folder inside the repository, where programs find its packages as they find installed ones. */
export function workFolder(): string {
  const parent = join(root, '.cache');
  mkdirSync(parent, { recursive: true });
  const path = mkdtempSync(join(parent, 'test-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export const tinyResnet = join(root, 'packages', 'onnx', 'test', 'data', 'tiny-resnet.onnx');
