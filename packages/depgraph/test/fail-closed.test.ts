/** What the engine does not know may not change, and explain says why; a rule of the user's own opens it. */
import { DataType, GraphBuilder, type Model, type NodeProto } from '@onnx-pruning/onnx';
import { noLayer, noMacs, noOverhead, nothing, type OperatorRecord } from '@onnx-pruning/ops';
import { conv, lastConv, parameter } from '../../ops/cases/blocks.ts';
import { DependencyGraph } from '../src/index.ts';
import { freeGroups } from './free-groups.ts';

const DOMAIN = 'com.acme';

/** conv1 (8) -> some node -> conv2 (4) -> relu -> last. */
function around(make: (b: GraphBuilder, x: string) => string): Model {
  const b = new GraphBuilder({ opset: 17, opsets: { [DOMAIN]: 3 } });
  const y = make(b, conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 8));
  lastConv(b, b.node('Relu', [conv(b, 'conv2', y, 8, 4)]), 4);
  return b.build();
}

const graphOf = (model: Model, customizedOperators: readonly OperatorRecord[] = []): DependencyGraph =>
  new DependencyGraph().buildDependency(model, { customizedOperators });

/** Declares the shape of a value, as files with operators of their own do. */
function declare(model: Model, name: string, dims: readonly (number | string)[]): Model {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  model.graph.valueInfo.push({ name, type: { tensorType: { elemType: DataType.FLOAT, shape: { dim } } } });
  return model;
}

const foo = (b: GraphBuilder, x: string): string => b.node('Foo', [x], {}, { name: 'foo', domain: DOMAIN });

describe('an operator of a private domain', () => {
  it('fixes what it touches, with its name, domain and version; the rest is offered', () => {
    const graph = graphOf(declare(around(foo), 'foo_out', ['batch', 8, 2, 2]));
    expect(freeGroups(graph)).toEqual(['conv2 out 4, last in 4']);
    const reason = "fixed because there is no rule for com.acme::Foo in opset 3 (com.acme::Foo 'foo')";
    expect(graph.explain('conv1')).toContain(reason);
    expect(graph.explain('conv2')).toContain(reason);
  });

  it('whose output has no declared shape fixes what follows as far as shapes are unknown, and says so', () => {
    const graph = graphOf(around(foo));
    expect(freeGroups(graph)).toEqual([]);
    expect(graph.explain('conv1')).toContain('there is no rule for com.acme::Foo');
  });

  it('of a known name is not mistaken for the standard operator', () => {
    const relu = around((b, x) => b.node('Relu', [x], {}, { name: 'relu', domain: DOMAIN }));
    const graph = graphOf(declare(relu, 'relu_out', ['batch', 8, 2, 2]));
    expect(graph.explain('conv1')).toContain('there is no rule for com.acme::Relu in opset 3');
  });
});

describe('customizedOperators', () => {
  /** Foo scales every channel: the same shape, the same channels. */
  const rule: OperatorRecord = {
    domain: DOMAIN,
    opType: 'Foo',
    opsets: [1, 9],
    infer: (ctx) => [{ elemType: ctx.inputs[0]?.elemType ?? DataType.FLOAT, dims: ctx.dims(0) }],
    equations: (ctx) => {
      for (const [axis, term] of ctx.in(0).entries()) ctx.equal(term, ctx.out(0)[axis]);
    },
    resize: nothing,
    macs: noMacs,
    overhead: noOverhead,
    layer: noLayer,
  };

  it('open what was fixed', () => {
    expect(freeGroups(graphOf(around(foo), [rule]))).toEqual(['conv1 out 8, conv2 in 8', 'conv2 out 4, last in 4']);
  });

  it('hold for their range of opsets only', () => {
    const graph = graphOf(around(foo), [{ ...rule, opsets: [4, 9] }]);
    expect(graph.explain('conv1')).toContain('there is no rule for com.acme::Foo in opset 3');
  });

  it('take the place of standard rules', () => {
    const frozen: OperatorRecord = {
      ...rule,
      domain: '',
      opType: 'Relu',
      opsets: [1, 99],
      equations: (ctx) => {
        for (const term of [...ctx.in(0), ...ctx.out(0)]) ctx.freeze(term, 'this Relu is to stay as it is');
      },
    };
    const graph = graphOf(
      around((b, x) => b.node('Relu', [x], {}, { name: 'kept' })),
      [frozen],
    );
    expect(freeGroups(graph)).toEqual([]);
    expect(graph.explain('conv1')).toContain("fixed because this Relu is to stay as it is (Relu 'kept')");
  });
});

describe('a function that the model defines', () => {
  it('is refused like any other operator without a rule', () => {
    const model = around((b, x) => b.node('Block', [x], {}, { name: 'block', domain: 'local' }));
    model.proto.opsetImport.push({ domain: 'local', version: 1 });
    const body: NodeProto = { input: ['a'], output: ['b'], opType: 'Relu', name: 'inside', attribute: [] };
    model.proto.functions.push({
      name: 'Block',
      domain: 'local',
      input: ['a'],
      output: ['b'],
      attribute: [],
      node: [body],
      opsetImport: [{ domain: '', version: 17 }],
    });
    const graph = graphOf(declare(model, 'block_out', ['batch', 8, 2, 2]));
    expect(freeGroups(graph)).toEqual(['conv2 out 4, last in 4']);
    expect(graph.explain('conv1')).toContain('there is no rule for local::Block in opset 1');
  });
});

describe('a subgraph', () => {
  /** Both branches add one to a value of the graph around them. */
  function choosing(captured: string): (b: GraphBuilder, x: string) => string {
    return (b, x) => {
      const branch = (name: string): GraphBuilder => {
        const inner = new GraphBuilder({ opset: 17 });
        inner.initializer(`${name}_one`, [1], [1]);
        inner.output(inner.node('Add', [captured, `${name}_one`], {}, { name }), ['batch', 8, 2, 2]);
        return inner;
      };
      const branches = { then_branch: branch('yes').graph(), else_branch: branch('no').graph() };
      const chosen = b.node('If', [b.input('condition', [], DataType.BOOL)], branches, { name: 'choose' });
      b.output(chosen, ['batch', 8, 2, 2]);
      return x;
    };
  }

  it('that captures a value fixes it, and names the node that holds the subgraph', () => {
    const graph = graphOf(around(choosing('conv1_out')));
    expect(freeGroups(graph)).toEqual(['conv2 out 4, last in 4']);
    expect(graph.explain('conv1')).toContain("fixed because a body of this node uses it (If 'choose')");
  });

  it('that captures a weight fixes the layers that share it', () => {
    const graph = graphOf(around(choosing('conv1.bias')));
    expect(graph.explain('conv1')).toContain("fixed because a body of this node uses it (If 'choose')");
  });

  it('reaches two levels up', () => {
    const nested = around((b, x) => {
      const level = (inner: GraphBuilder, name: string): GraphBuilder => {
        const outer = new GraphBuilder({ opset: 17 });
        const branches = { then_branch: inner.graph(), else_branch: inner.graph() };
        outer.output(outer.node('If', ['condition'], branches, { name }), ['batch', 8, 2, 2]);
        return outer;
      };
      const leaf = new GraphBuilder({ opset: 17 });
      leaf.output(leaf.node('Identity', ['conv1_out'], {}, { name: 'copy' }), ['batch', 8, 2, 2]);
      const branch = level(leaf, 'inner').graph();
      b.input('condition', [], DataType.BOOL);
      b.output(b.node('If', ['condition'], { then_branch: branch, else_branch: branch }, { name: 'outer' }));
      return x;
    });
    expect(graphOf(nested).explain('conv1')).toContain("a body of this node uses it (If 'outer')");
  });
});

describe('a size that only the run decides', () => {
  it('fixes the axis that it is the size of', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', ['batch', 'channels', 2, 2]);
    const y = b.node('Conv', [x, parameter(b, 'conv1.weight', [8, 3, 1, 1])], {}, { name: 'conv1' });
    lastConv(b, y, 8);
    const graph = graphOf(b.build());
    expect(freeGroups(graph)).toEqual(['conv1 out 8, last in 8']);
    expect(graph.explain('conv1')).toMatch(/input channels: 3\n {2}fixed because/);
  });

  it('fixes channels that are summed over together with it: no reference could leave them out', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', ['batch', 3, 'height', 'width']);
    const flat = b.node('Flatten', [conv(b, 'conv1', x, 3, 8)]);
    b.output(b.node('ReduceMean', [flat], { axes: [1] }, { name: 'mean' }));
    const graph = graphOf(b.build());
    expect(freeGroups(graph)).toEqual([]);
    expect(graph.explain('conv1')).toContain(
      "fixed because it is summed over together with sizes that are only known at run time (ReduceMean 'mean')",
    );
  });
});
