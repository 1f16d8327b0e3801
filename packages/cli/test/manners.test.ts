/** What a command line is expected to do besides its work: help where it is looked for, errors for programs, narrow lines. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { saveModel } from '@onnx-pruning/onnx';
import { run, saved, smallNet, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
beforeAll(() => saved(smallNet(), folder.at('model.onnx')));

describe('help', () => {
  it('is a command, too', async () => {
    const [byOption, byCommand] = [await run(['--help']), await run(['help'])];
    expect(byCommand).toEqual(byOption);
    expect(byCommand).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Usage: onnx-pruning/), stderr: '' });
    expect(await run(['help', 'prune'])).toEqual(await run(['prune', '--help']));
  });

  it('has no line of more than 80 characters', async () => {
    for (const argv of [['--help'], ['prune', '--help']]) {
      const { stdout } = await run(argv, { columns: 80 });
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it('is given to those who name the model at once', async () => {
    const { code, stderr } = await run(['model.onnx']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/unknown command 'model\.onnx'\nTo prune it: onnx-pruning prune model\.onnx -o /),
    });
  });
});

it.each([
  ['the model', ['-', '-o', 'out.onnx']],
  ['the output', ['model.onnx', '-o', '-']],
  ['the plan', ['model.onnx', '-o', 'out.onnx', '--plan', '-']],
])('a stream as %s is refused with a word', async (_, argv) => {
  const before = readdirSync('.');
  const { code, stderr } = await run(['prune', ...argv]);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/Streams are not read or written.*\.\/-/),
  });
  expect(readdirSync('.')).toEqual(before);
});

describe('--json', () => {
  it.each([
    ['bad input', ['missing.onnx', '-o', 'out.onnx'], 'MODEL_NOT_FOUND', /no such file/],
    ['a missing option', ['model.onnx'], 'USAGE', /--output/],
    ['a wrong value', ['model.onnx', '-o', 'out.onnx', '--ratio', '3'], 'USAGE', /ratio/],
  ])('says %s as JSON on stderr, with a code', async (_, argv, code, message) => {
    const ran = await run(['prune', ...argv, '--json']);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(JSON.parse(ran.stderr)).toMatchObject({ error: { code, message: expect.stringMatching(message) } });
  });
});

it('a report has no line of more than 80 characters, and its paths are as they were given', async () => {
  await saveModel(smallNet(), folder.at('external.onnx'), { externalData: { threshold: 100 } });
  const at = (name: string): string => relative('.', join(folder.path, name));
  const argv = ['prune', at('external.onnx'), '-o', at('o.onnx'), '--plan', at('p.json'), '--no-bench'];
  const { code, stdout } = await run(argv, { columns: 80 });
  expect(code).toBe(0);
  const written = /^Written +(.*(?:\n .*)*)/m.exec(stdout)?.[1]?.split(/,\s*/);
  expect(written).toEqual([at('o.onnx'), at('o.onnx.data'), at('p.json')]);
  const lines = stdout.split('\n').filter((line) => !line.includes(folder.path.slice(1)));
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
});

it('a terminal gets its lines broken between words', async () => {
  const argv = ['prune', folder.at('model.onnx'), '-o', folder.at('w.onnx'), '--no-bench', '--ignore', 'conv3'];
  const { stderr } = await run(argv, { tty: true, columns: 60, env: { NO_COLOR: '1' } });
  const error = stderr.slice(stderr.indexOf('error:')).trimEnd().split('\n');
  expect(error.length).toBeGreaterThan(1);
  expect(error.filter((line) => line.length > 60)).toEqual([]);
  expect(error.join(' ')).toMatch(/--ignore 'conv3' names no layer.*Did you mean 'conv1'/);
});
