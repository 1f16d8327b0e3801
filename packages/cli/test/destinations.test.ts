/** A model and its plan appear together or not at all, and what was there before is not lost. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadModel, saveModel } from '@onnx-pruning/onnx';
import { writeResults } from '../src/destinations.ts';
import { run, smallNet, temporaryFolder } from './harness.ts';

describe('writeResults', () => {
  const folder = temporaryFolder();
  const model = smallNet();
  const destinations = (output: string, plan: string) => ({ source: folder.at('in.onnx'), output, plan, force: true });

  it('replaces both files, and leaves nothing else behind', async () => {
    writeFileSync(folder.at('a.onnx'), 'old model');
    writeFileSync(folder.at('a.json'), 'old plan');
    const to = destinations(folder.at('a.onnx'), folder.at('a.json'));
    expect(await writeResults(model, 'new plan', to)).toEqual({ model: to.output, plan: to.plan });
    expect(readFileSync(to.plan, 'utf8')).toBe('new plan');
    expect((await loadModel(to.output)).graph.node).toHaveLength(model.graph.node.length);
    expect(folder.files()).toEqual(['a.json', 'a.onnx']);
  });

  it('brings the old plan back when the model cannot be written', async () => {
    writeFileSync(folder.at('b.json'), 'old plan');
    mkdirSync(folder.at('b.onnx'));
    const to = destinations(folder.at('b.onnx'), folder.at('b.json'));
    await expect(writeResults(model, 'new plan', to)).rejects.toThrow(/not a file/);
    expect(readFileSync(to.plan, 'utf8')).toBe('old plan');
    expect(folder.files()).toEqual(['a.json', 'a.onnx', 'b.json', 'b.onnx']);
  });

  it('writes no plan when there was none and the model cannot be written', async () => {
    const to = destinations(folder.at('b.onnx'), folder.at('c.json'));
    await expect(writeResults(model, 'new plan', to)).rejects.toThrow(/not a file/);
    expect(folder.files()).toEqual(['a.json', 'a.onnx', 'b.json', 'b.onnx']);
  });

  it('keeps a file that has appeared while the command worked, and names --force', async () => {
    writeFileSync(folder.at('raced.onnx'), 'of value');
    const to = { ...destinations(folder.at('raced.onnx'), folder.at('raced.json')), force: false };
    await expect(writeResults(model, 'plan', to)).rejects.toThrow(/output file exists.*raced\.onnx.*--force/);
    expect(readFileSync(to.output, 'utf8')).toBe('of value');
    rmSync(to.output);
    expect(folder.files()).not.toContain('raced.json');
  });

  it('writes no model when the plan cannot be written', async () => {
    const to = destinations(folder.at('d.onnx'), folder.at('gone/plan.json'));
    await expect(writeResults(model, 'new plan', to)).rejects.toThrow(
      /folder of the output file does not exist.*gone\/plan\.json/,
    );
    expect(folder.files()).not.toContain('d.onnx');
  });
});

describe('a model with external data', () => {
  const folder = temporaryFolder();

  it('is written with external data again, and both files count', async () => {
    await saveModel(smallNet(), folder.at('model.onnx'), { externalData: { threshold: 100 } });
    const [output, plan] = [folder.at('out.onnx'), folder.at('plan.json')];
    const argv = ['prune', folder.at('model.onnx'), '-o', output, '--plan', plan, '--no-bench', '--json'];
    const { code, stdout } = await run(argv);
    expect(code).toBe(0);
    expect(folder.files()).toEqual(['model.onnx', 'model.onnx.data', 'out.onnx', 'out.onnx.data', 'plan.json']);
    const bytes = (name: string): number => readFileSync(folder.at(name)).length;
    expect(JSON.parse(stdout)).toMatchObject({
      before: { bytes: bytes('model.onnx') + bytes('model.onnx.data') },
      after: { bytes: bytes('out.onnx') + bytes('out.onnx.data') },
      written: { model: output, data: `${output}.data`, plan },
    });
  });

  it('leaves no plan behind when its data file is in the way', async () => {
    writeFileSync(folder.at('next.onnx.data'), 'something of value');
    const before = folder.files();
    const argv = ['prune', folder.at('model.onnx'), '-o', folder.at('next.onnx'), '--plan', folder.at('next.json')];
    expect(await run([...argv, '--no-bench'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/file exists/) });
    expect(folder.files()).toEqual(before);
  });

  it('whose data file is missing is refused', async () => {
    const bytes = readFileSync(folder.at('model.onnx'));
    mkdirSync(folder.at('elsewhere'));
    writeFileSync(folder.at('elsewhere/model.onnx'), bytes);
    const { code, stderr } = await run(['prune', folder.at('elsewhere/model.onnx'), '-o', folder.at('x.onnx')]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/model\.onnx\.data/) });
  });
});
