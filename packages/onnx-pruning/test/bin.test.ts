/** The command that users run, as a process: exit codes, streams, and files in the folder it is run in. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bin, node, tinyResnet, useBuild, workFolder } from './built.ts';

useBuild();
const cwd = workFolder();
beforeAll(() => copyFileSync(tinyResnet, join(cwd, 'model.onnx')));

/** A folder in which nothing can be written. The superuser may write anywhere but in the kernel's own folders. */
function unwritableFolder(): string {
  if (process.getuid?.() === 0 && existsSync('/sys')) return '/sys';
  const folder = join(cwd, 'locked');
  mkdirSync(folder);
  chmodSync(folder, 0o555);
  return folder;
}

describe('the command onnx-pruning', () => {
  it('does the main job with paths relative to where it is run', async () => {
    const argv = 'prune model.onnx -o out.onnx --ratio 0.5 --ignore fc --plan plan.json --runs 3'.split(' ');
    const { code, stdout, stderr } = await node([bin, ...argv], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Equivalence {2}holds/m);
    expect(stdout).toMatch(/^Written {6}out\.onnx, plan\.json$/m);
    expect(readdirSync(cwd).sort()).toEqual(['model.onnx', 'out.onnx', 'plan.json']);
  });

  it('ends with code 2 and one line on stderr for bad input', async () => {
    const { code, stdout, stderr } = await node([bin, 'prune', 'missing.onnx', '-o', 'never.onnx'], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: There is no such file .*\n$/);
  });

  it('says so when it may not write', async () => {
    const output = join(unwritableFolder(), 'out.onnx');
    const argv = ['prune', 'model.onnx', '-o', output, '--plan', 'other.json', '--no-bench'];
    const { code, stderr } = await node([bin, ...argv], { cwd });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^error: .*cannot be written.*\n$/) });
    expect(existsSync(join(cwd, 'other.json'))).toBe(false);
  });

  it('is silent when its reader goes away', async () => {
    const { stderr } = await node([bin, 'prune', '--help'], { cwd, readsOutput: false });
    expect(stderr).toBe('');
  });
});
