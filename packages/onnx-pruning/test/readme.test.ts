/** What the README and the docs promise is what happens: their programs and commands are run, not read. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CUDA_INSTALL_COMMAND } from '@onnx-pruning/runtime';
import { transformSync } from '@swc/core';
import { node, root, tinyResnet, tsc, useBuild, workFolder } from './built.ts';

useBuild();

const page = (path: string): string => readFileSync(join(root, path), 'utf8');
const codeBlocks = (path: string, language: string): string[] =>
  [...page(path).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1]);

const { scripts } = JSON.parse(page('package.json')) as { scripts: Record<string, string> };

const cwd = workFolder();
beforeAll(() => copyFileSync(tinyResnet, join(cwd, 'resnet18.onnx')));

/** Type-checks a program as strictly as the project's own. */
function typecheck(program: string): void {
  const path = join(cwd, 'example.ts');
  writeFileSync(path, program);
  const strict = '--noEmit --strict --module nodenext --target es2023 --types node --skipLibCheck --ignoreConfig';
  tsc([...strict.split(' '), path]);
}

/** Runs a program that type-checked; what it prints. */
async function run(program: string): Promise<string> {
  writeFileSync(join(cwd, 'example.mjs'), stripTypes(program));
  const { code, stdout, stderr } = await node(['example.mjs'], { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

function stripTypes(program: string): string {
  return transformSync(program, { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, isModule: true }).code;
}

describe('the README', () => {
  const [groups, pruner] = codeBlocks('README.md', 'ts');

  it('has an example of groups that runs and does what it says', async () => {
    typecheck(groups);
    const stdout = await run(groups);
    expect(stdout).toMatch(/^\[0\] .*conv1 => .*conv1, idxs \(3\) = \[2, 6, 9\]/);
    expect(existsSync(join(cwd, 'resnet18.pruned.onnx'))).toBe(true);
  });

  it('has an example of a pruner that runs and does what it says', async () => {
    typecheck(pruner);
    const stdout = await run(pruner);
    expect(stdout).toMatch(/^true \[ 'logits: \S+' \]\n\d\.\d+\n\d+\.\d+\n$/);
    expect(existsSync(join(cwd, 'resnet18.half.onnx'))).toBe(true);
  });

  it('names the commands that continuous integration and the workspace run', () => {
    const [demo, , test] = codeBlocks('README.md', 'sh').map((block) => block.trim());
    expect(demo).toBe('npm ci && npm run demo');
    expect(page('.ci/run').split('\n')).toContain(test);
    for (const [, script] of page('README.md').matchAll(/npm run ([\w-]+)/g)) {
      expect(Object.keys(scripts)).toContain(script);
    }
  });

  it('has an example of a trained network whose commands print what it says', async () => {
    const commands = codeBlocks('README.md', 'sh')[1].replaceAll('\\\n', ' ').trim().split('\n');
    const [, pruned, measured] = codeBlocks('README.md', 'text');
    const program = join('packages', 'onnx-pruning', 'bin', 'onnx-pruning.js');
    const printed: string[] = [];
    for (const command of commands) {
      const [npx, name, ...argv] = command.split(/ +/);
      expect([npx, name]).toEqual(['npx', 'onnx-pruning']);
      expect(scripts['demo:accuracy']).toContain(argv.join(' '));
      const { code, stdout, stderr } = await node([program, ...argv.map((text) => text.replace(/^out/, cwd))]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      printed.push(stdout);
    }
    const table = (text: string): string[] => text.split('\n').slice(0, 4);
    expect(table(printed[0])).toEqual(table(pruned));
    // Other processors sum in another order, which may decide a few of the 2,000 samples otherwise: half a point is ten.
    const percent = (text: string): number => Number(/^top-1 accuracy: ([\d.]+) %/.exec(text)?.[1]);
    expect(Math.abs(percent(printed[1]) - percent(measured))).toBeLessThanOrEqual(0.5);
    expect(printed[1].split('\n')[1]).toBe(measured.split('\n')[1]);
  });

  it('names the command that installs CUDA', () => {
    expect(page('README.md')).toContain(CUDA_INSTALL_COMMAND);
  });
});

describe('the docs', () => {
  const pages = ['README.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })]
    .filter((name) => name.endsWith('.md'))
    .map((name) => (name === 'README.md' ? name : join('docs', name)));

  it.each(pages)('%s links to files that are there', (path) => {
    const links = [...page(path).matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1]);
    expect(links.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([]);
  });

  it('have an example of an operator that runs and prints what they say', async () => {
    const [example] = codeBlocks('docs/adding-an-operator.md', 'ts');
    const [printed] = codeBlocks('docs/adding-an-operator.md', 'text');
    typecheck(example);
    expect(await run(example)).toBe(printed);
  });

  it('list the operators that have records', async () => {
    expect(await node(['scripts/operator-docs.js', '--check'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
