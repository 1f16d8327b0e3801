/** Situations that users of pruning tools have reported, as small files: what the command makes of each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Ran, run, temporaryFolder } from '../../cli/test/harness.ts';
import {
  BasePruner,
  GroupMagnitudeImportance,
  loadModel,
  type Model,
  parsePlan,
  tensorDims,
  verify,
} from '../src/index.ts';

const folder = temporaryFolder();
const file = (name: string): string => join(__dirname, 'data', 'reported', name);

async function prune(name: string, ...options: string[]): Promise<Ran & { readonly output: string }> {
  const output = folder.at(`${name}.onnx`);
  const argv = ['prune', file(`${name}.onnx`), '-o', output, '--ratio', '0.5', '--force', '--no-bench', ...options];
  return { ...(await run(argv)), output };
}

/** Output channels of every layer with a weight of that name. */
async function widths(path: string, ...weights: string[]): Promise<number[]> {
  const { graph } = await loadModel(path);
  return weights.map((name) => tensorDims(graph.initializer.find((tensor) => tensor.name === name)!)[0]);
}

const lines = ({ stdout }: Ran, label: string): string[] => {
  const all = stdout.split('\n');
  const first = all.findIndex((line) => line.startsWith(label));
  const rest = all.slice(first + 1).findIndex((line) => !line.startsWith('   '));
  return all.slice(first, first + 1 + rest).map((line) => line.slice(13));
};

describe('the command on reported files', () => {
  it('channel attention whose heads want different channels is pruned, and proven', async () => {
    const ran = await prune('xca_sep');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^Equivalence {2}holds;/m);
    expect(await widths(ran.output, 'q.weight', 'k.weight', 'v.weight')).toEqual([6, 6, 6]);
  });

  it('a pattern over node names protects convolutions whose own name is another, and the report says which', async () => {
    const ran = await prune('ignore_pattern_silent', '--ignore', '/head/*');
    expect(await widths(ran.output, 'head.c1.weight')).toEqual([16]);
    expect(lines(ran, 'Ignored')).toEqual(['/head/*: 2 layers, head.c1, head.c2']);
    const json = await prune('ignore_pattern_silent', '--ignore', '/head/*', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      selectors: [{ selector: '/head/*', layers: ['head.c1', 'head.c2'] }],
    });
  });

  it.each(['/heat/*', '/head/Constant*'])('%s names no layer: nothing is written', async (pattern) => {
    const { code, stderr } = await prune('ignore_pattern_silent', '--ignore', pattern, '-o', folder.at('none.onnx'));
    expect(code).toBe(2);
    expect(stderr).toContain(pattern);
    expect(folder.files()).not.toContain('none.onnx');
  });

  it('bins of a distribution focal loss stay, with the reason', async () => {
    const ran = await prune('dfl_min');
    expect(await widths(ran.output, 'box.weight')).toEqual([32]);
    expect(lines(ran, 'Not pruned').join('\n')).toMatch(
      /box: a softmax is taken over it, and 'dfl\.conv\.weight' gives/,
    );
  });

  it('what an If uses stays because of it; what is behind it is pruned', async () => {
    const ran = await prune('if_branch');
    expect(await widths(ran.output, 'w1', 'w2')).toEqual([8, 6]);
    expect(lines(ran, 'Not pruned')).toContain("a: a body of this node uses it (If 'if0')");
  });

  it('quantized weights are refused as such', async () => {
    const { code, stderr } = await prune('chain_qdq');
    expect(code).toBe(2);
    expect(stderr).toMatch(/the model is quantized here/);
  });

  it('linear layers whose weights are stored the other way round are layers', async () => {
    const { code, stdout } = await prune('linears_unfolded');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Pruned {7}2 groups of coupled channels: 14 of 28 channels removed$/m);
  });

  it('a multiple of --round-to is one of the layer, not of each of its groups', async () => {
    const ran = await prune('grouped_round8', '--round-to', '8');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^Pruned {7}2 groups of coupled channels: 64 of 128 channels removed$/m);
  });

  it('a weight that is no number is bad input, by name', async () => {
    const { code, stderr } = await prune('w_nan');
    expect(code).toBe(2);
    expect(stderr).toMatch(/the initializer '4\.weight' of the model holds NaN/);
  });

  it('nothing is said twice', async () => {
    const refusals = lines(await prune('tsm'), 'Not pruned');
    expect(refusals).toHaveLength(2);
    expect(new Set(refusals).size).toBe(2);
  });
});

async function pruned(name: string, options: object): Promise<{ original: Model; model: Model; pruner: BasePruner }> {
  const original = await loadModel(file(`${name}.onnx`));
  const model = original.clone();
  const pruner = new BasePruner(model, { importance: new GroupMagnitudeImportance(), ...options });
  return { original, model, pruner };
}

describe('the library on reported files', () => {
  it.each([
    [0.25, 4],
    [0.5, 8],
  ])('cycles of a permutation: at a ratio of %p at most %p of 16 channels go', async (pruningRatio, most) => {
    const { original, model, pruner } = await pruned('perm_add', { pruningRatio });
    for (const { removed } of pruner.step().groups) expect(removed).toBeLessThanOrEqual(most);
    expect((await verify(original, model, pruner.plan())).ok).toBe(true);
  });

  it.each([
    [0.25, 6],
    [0.5, 4],
  ])('grouped-query attention: a share of %p of the heads leaves %p of 8 query heads', async (share, left) => {
    const heads = { pruneNumHeads: true, pruneHeadDims: false, pruningRatio: 0, headPruningRatio: share };
    const { original, model, pruner } = await pruned('gqa_8_4', heads);
    pruner.step();
    expect(Math.max(...pruner.graph.numHeads().values())).toBe(left);
    expect((await verify(original, model, pruner.plan())).ok).toBe(true);
  });

  it('two swapped filters are found out although coordinates in the same tensor are much larger', async () => {
    const [original, tampered] = await Promise.all(
      ['verify_scale.onnx', 'verify_scale.tampered.onnx'].map((name) => loadModel(file(name))),
    );
    const plan = parsePlan(readFileSync(file('verify_scale.plan.json'), 'utf8'));
    for (const parts of ['both', 'runs'] as const) {
      expect((await verify(original, tampered, plan, { parts })).verdict).toBe('differs');
    }
  });
});
