/** Whatever is wrong with what a user gave: exit code 2, one message that says what to do, and no file touched. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeModel, GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { contents, run, saved, singleLayer, smallNet, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = folder.at;

beforeAll(async () => {
  await saved(smallNet(), at('model.onnx'));
  await saved(smallNet(['batch', 3, 'h', 'w']), at('dynamic.onnx'));
  await saved(singleLayer(), at('single.onnx'));
  const bytes = encodeModel(smallNet());
  writeFileSync(at('empty.onnx'), '');
  writeFileSync(at('truncated.onnx'), bytes.subarray(0, bytes.length / 2));
  writeFileSync(at('text.onnx'), 'no model');
  writeFileSync(at('exists.onnx'), 'something of value');
  mkdirSync(at('folder'));
  symlinkSync(at('model.onnx'), at('link.onnx'));
  for (const [name, change] of Object.entries(BROKEN)) writeFileSync(at(`${name}.onnx`), encodeModel(broken(change)));
});

/** Graphs that break a rule of the specification. */
const BROKEN: Record<string, (model: Model) => void> = {
  cycle: ({ graph }) => {
    graph.node[0].input[0] = graph.node[1].output[0];
  },
  undefined: ({ graph }) => {
    graph.node[1].input[0] = 'nowhere';
  },
  duplicate: ({ graph }) => {
    graph.node[1].output[0] = graph.node[0].output[0];
  },
  toonew: ({ proto }) => {
    proto.opsetImport[0].version = 1000;
  },
};

function broken(change: (model: Model) => void): Model {
  const model = smallNet();
  change(model);
  return model;
}

type Row = readonly [what: string, argv: readonly string[], message: RegExp];

const OUT = ['-o', 'out.onnx'];
const CASES: readonly Row[] = [
  ['a missing model', ['missing.onnx', ...OUT], /no such file.*missing\.onnx/],
  ['a folder as the model', ['folder', ...OUT], /must be a file.*folder/],
  ['an empty model', ['empty.onnx', ...OUT], /file is empty/],
  ['a truncated model', ['truncated.onnx', ...OUT], /ends in the middle/],
  ['a text file', ['text.onnx', ...OUT], /not an ONNX model.*found text/],
  ['a model that is too new', ['toonew.onnx', ...OUT], /too new.*found 1000/],
  ['a graph with a cycle', ['cycle.onnx', ...OUT], /cycle/],
  ['an undefined value', ['undefined.onnx', ...OUT], /'nowhere'/],
  ['a value that is defined twice', ['duplicate.onnx', ...OUT], /twice|duplicate|already/i],
  ['a model in which nothing may be removed', ['single.onnx', ...OUT], /no channels that may be removed[\s\S]*conv: /],
  ['a ratio of 1', ['model.onnx', ...OUT, '--ratio', '1'], /'1' is invalid.*up to, but not including, 1/],
  ['a negative ratio', ['model.onnx', ...OUT, '--ratio', '-0.1'], /'-0\.1' is invalid/],
  ['a ratio that is no number', ['model.onnx', ...OUT, '--ratio', 'half'], /'half' is invalid/],
  ['an empty ratio', ['model.onnx', ...OUT, '--ratio='], /'' is invalid/],
  [
    'a layer that does not exist',
    ['model.onnx', ...OUT, '--ignore', 'conv3'],
    /--ignore 'conv3' names no layer.*Did you mean 'conv1' or/,
  ],
  [
    'a layer without channels',
    ['model.onnx', ...OUT, '--ignore', 'relu'],
    /--ignore 'relu' names no layer.*found 'Relu relu'.*'conv1'/,
  ],
  [
    'a pattern without a match',
    ['model.onnx', ...OUT, '--ignore', 'x*'],
    /--ignore 'x\*' names no layer.*Did you mean/,
  ],
  ['ignoring everything', ['model.onnx', ...OUT, '--ignore', '*'], /every channel in place.*Ignore fewer/],
  ['rounding to more channels than there are', ['model.onnx', ...OUT, '--round-to', '100'], /smaller --round-to/],
  ['rounding to nothing', ['model.onnx', ...OUT, '--round-to', '0'], /positive integer/],
  ['an unknown criterion', ['model.onnx', ...OUT, '--criterion', 'l3'], /choices are l1, l2/],
  ['a seed that is no integer', ['model.onnx', ...OUT, '--seed', '1.5'], /integer from 0 up/],
  ['no runs', ['model.onnx', ...OUT, '--runs', '0'], /positive integer/],
  [
    'a provider that does not exist',
    ['model.onnx', ...OUT, '--provider', 'abacus'],
    /'abacus' is not available.*'cpu'/,
  ],
  ['dynamic sizes without values', ['dynamic.onnx', ...OUT], /run time.*--input-shape x=1x3x224x224/],
  ['half of the dynamic sizes', ['dynamic.onnx', ...OUT, '--input-shape', 'h=8'], /axis 3.*--input-shape/],
  ['an unknown input', ['dynamic.onnx', ...OUT, '--input-shape', 'z=1x3x8x8'], /no input or symbol 'z'.*x=batchx3xhxw/],
  [
    'a shape of another rank',
    ['dynamic.onnx', ...OUT, '--input-shape', 'x=3x8x8'],
    /contradicts.*batchx3xhxw, found 3x8x8/,
  ],
  ['a shape against the model', ['model.onnx', ...OUT, '--input-shape', 'x=1x4x8x8'], /contradicts/],
  [
    'two sizes for one symbol',
    ['dynamic.onnx', ...OUT, '--input-shape', 'h=8', '--input-shape', 'x=1x3x9x8'],
    /two sizes.*'h'/,
  ],
  ['a shape that is none', ['dynamic.onnx', ...OUT, '--input-shape', 'x=big'], /Expected an input with its shape/],
  ['a shape with a zero', ['dynamic.onnx', ...OUT, '--input-shape', 'h=0'], /Expected an input with its shape/],
  ['an output that exists', ['model.onnx', '-o', 'exists.onnx'], /file exists.*--force/],
  ['a plan that exists', ['model.onnx', ...OUT, '--plan', 'exists.onnx'], /file exists.*Give --plan.*--force/],
  ['the model as the output', ['model.onnx', '-o', 'model.onnx'], /the one that the model is read from.*--force/],
  ['the model as the output, by a link', ['model.onnx', '-o', 'link.onnx'], /the one that the model is read from/],
  ['the model as the plan', ['model.onnx', ...OUT, '--plan', 'model.onnx', '--force'], /place of a model/],
  ['the output as the plan', ['model.onnx', ...OUT, '--plan', 'out.onnx'], /place of a model/],
  ['a folder as the output', ['model.onnx', '-o', 'folder', '--force'], /found a folder.*--output/],
  ['a folder as the plan', ['model.onnx', ...OUT, '--plan', 'folder', '--force'], /found a folder.*--plan/],
  ['an output in no folder', ['model.onnx', '-o', 'none/out.onnx'], /folder of the output file does not exist/],
  [
    'a plan in no folder',
    ['model.onnx', ...OUT, '--plan', 'none/plan.json'],
    /folder of the output file does not exist/,
  ],
  ['an output inside a file', ['model.onnx', '-o', 'text.onnx/out.onnx'], /folder of the output file does not exist/],
  ['an empty output', ['model.onnx', '-o', ''], /Expected the path of a file/],
  ['no output', ['model.onnx'], /required option '-o, --output <file>'/],
  ['no model', OUT, /missing required argument 'model'/],
  ['two models', ['model.onnx', 'single.onnx', ...OUT], /too many arguments/],
  ['an option that does not exist', ['model.onnx', ...OUT, '--rati', '0.5'], /unknown option.*\n.*--ratio/],
];

/** Names in the temporary folder become paths. */
const inFolder = (word: string): string =>
  /^(none\/|text\.onnx\/)?[\w.]+\.(onnx|json)$|^folder$/.test(word) ? at(word) : word;

describe('onnx-pruning prune refuses', () => {
  it.each(CASES)('%s', async (_, argv, message) => {
    const before = contents(folderOfFiles);
    const { code, stdout, stderr } = await run(['prune', ...argv.map(inFolder)]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(contents(folderOfFiles)).toEqual(before);
  });

  it('a model that onnxruntime does not run', async () => {
    const b = new GraphBuilder({ opset: 17, opsets: { 'com.acme': 1 } });
    const weight = (name: string): string =>
      b.initializer(name, [3, 3, 1, 1], (size) => new Float32Array(size).fill(1));
    const seen = b.node('Telepathy', [b.input('x', [1, 3, 4, 4])], {}, { domain: 'com.acme' });
    const hidden = b.node('Conv', [b.node('Relu', ['x']), weight('a.weight')]);
    b.output(b.node('Conv', [hidden, weight('b.weight')]), [1, 3, 4, 4]);
    b.output(seen, [1, 3, 4, 4]);
    const path = await saved(b.build(), at('custom.onnx'));
    const { code, stderr } = await run(['prune', path, '-o', at('out.onnx')]);
    expect(stderr).toMatch(/onnxruntime cannot load the model.*Telepathy/);
    expect(code).toBe(2);
    expect(folder.files()).not.toContain('out.onnx');
  });
});

const folderOfFiles = { at, files: () => folder.files().filter((name) => name !== 'folder') };

describe('onnx-pruning', () => {
  it('prints help when asked, and when given nothing', async () => {
    const asked = await run(['--help']);
    expect(asked.code).toBe(0);
    expect(asked.stdout).toMatch(/Usage: onnx-pruning[\s\S]*Exit codes:/);
    expect(await run([])).toMatchObject({ code: 2, stdout: '' });
    const verb = await run(['prune', '--help']);
    expect(verb.code).toBe(0);
    expect(verb.stdout).toMatch(/Examples:[\s\S]*--ignore fc --plan plan\.json/);
  });

  it('suggests the verb that was meant', async () => {
    expect(await run(['prine', 'model.onnx'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Did you mean prune/),
    });
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8'));
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });
});
