/** What may not be pruned is said with the layers and the reason. */
import { DependencyGraph } from '@onnx-pruning/depgraph';
import { GraphBuilder } from '@onnx-pruning/onnx';
import { smallNet } from '../../cli/test/harness.ts';
import { refusalsOf, showRefusals } from '../src/refusals.ts';

/** x [1, 3, 4, 4] -> Conv a (8) -> LRN -> Conv b (4) -> y: LRN looks at neighbouring channels. */
function lrnNet(): DependencyGraph {
  const b = new GraphBuilder({ opset: 17 });
  const weight = (name: string, dims: number[]): string =>
    b.initializer(name, dims, (size) => new Float32Array(size).fill(1));
  const a = b.node('Conv', [b.input('x', [1, 3, 4, 4]), weight('a.weight', [8, 3, 1, 1])]);
  const normalized = b.node('LRN', [a], { size: 3 }, { name: 'norm' });
  b.output(b.node('Conv', [normalized, weight('b.weight', [4, 8, 1, 1])], {}, { outputs: ['y'] }), [1, 4, 4, 4]);
  return new DependencyGraph().buildDependency(b.build());
}

describe('refusalsOf', () => {
  it('names the layer and the output that fixes its channels', () => {
    const refusals = refusalsOf(new DependencyGraph().buildDependency(smallNet()));
    expect(refusals).toEqual([
      { reason: "it is an axis of the graph output 'y'", layers: ['fc'], partly: [], parameters: 16 * 10 + 10 },
    ]);
  });

  it('names the node that fixes channels', () => {
    expect(showRefusals(refusalsOf(lrnNet()), 8)).toEqual([
      "b: it is an axis of the graph output 'y'",
      "a: LRN sums over neighbouring channels (LRN 'norm')",
    ]);
  });
});

describe('showRefusals', () => {
  const refusal = { reason: 'it must', layers: ['a', 'b', 'c', 'd'], partly: ['e'], parameters: 0 };

  it('shortens long lists, and says so', () => {
    const others = ['it may', 'it can'].map((reason) => ({ ...refusal, reason, layers: [] }));
    expect(showRefusals([refusal, ...others], 2)).toEqual([
      'a, b, c and 2 more: it must',
      'e in part: it may',
      'and 1 more reasons (--json lists all)',
    ]);
  });

  it('says once what is so at several nodes', () => {
    const at = (where: string, layers: string[]) => ({ ...refusal, partly: [], layers, where });
    expect(showRefusals([at("LRN 'n1'", ['a']), at("LRN 'n2'", ['b']), at("LRN 'n3'", ['a'])], 8)).toEqual([
      "a, b: it must (LRN 'n1' and 2 more)",
    ]);
  });
});
