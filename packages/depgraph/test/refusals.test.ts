/** Requests that cannot be met: the error says what, where and what to do, and the model stays as it was. */
import { encodeModel, GraphBuilder, type Model, OnnxPruningError, UnknownLayerError } from '@onnx-pruning/onnx';
import { noLayer, noMacs, noOverhead, nothing, type OperatorRecord } from '@onnx-pruning/ops';
import { conv, lastConv } from '../../ops/cases/blocks.ts';
import {
  DependencyGraph,
  LayerError,
  pruneBatchnormOutChannels,
  pruneConvInChannels,
  pruneConvOutChannels,
  pruneLinearOutChannels,
} from '../src/index.ts';

/** conv1 (8) -> relu -> conv2 (4) -> last (2). */
function chain(): Model {
  const b = new GraphBuilder({ opset: 17 });
  const relu = b.node('Relu', [conv(b, 'conv1', b.input('x', ['batch', 3, 2, 2]), 3, 8)], {}, { name: 'relu' });
  lastConv(b, conv(b, 'conv2', relu, 8, 4), 4);
  return b.build();
}

const graphOf = (model = chain()): DependencyGraph => new DependencyGraph().buildDependency(model);

function errorOf(run: () => unknown): OnnxPruningError {
  try {
    run();
  } catch (error) {
    if (error instanceof OnnxPruningError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** The error, after checking that the model is the same, byte for byte. */
function refusal(graph: DependencyGraph, run: () => unknown): OnnxPruningError {
  const before = Buffer.from(encodeModel(graph.model));
  const error = errorOf(run);
  expect(before.equals(encodeModel(graph.model))).toBe(true);
  return error;
}

describe('indices', () => {
  it.each([
    ['out of range', [8], 'INDEX_RANGE', 8],
    ['negative', [-1], 'INDEX_RANGE', -1],
    ['not whole', [1.5], 'INDEX_RANGE', 1.5],
    ['given twice', [2, 3, 2], 'INDEX_TWICE', 2],
  ])('%s', (_, idxs, code, actual) => {
    const graph = graphOf();
    const error = refusal(graph, () => graph.getPruningGroup('conv1', pruneConvOutChannels, idxs));
    expect(error).toBeInstanceOf(LayerError);
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject({ node: 'conv1', operator: 'Conv', actual });
    expect(error.details.repair).toBeTruthy();
  });

  it('out of range: says the range, as it is now', () => {
    const graph = graphOf();
    graph.getPruningGroup('conv1', pruneConvOutChannels, [0, 1]).prune();
    const error = refusal(graph, () => graph.getPruningGroup('conv1', pruneConvOutChannels, [6]));
    expect(error.message).toBe(
      "a channel index is out of range (node 'conv1', operator Conv): expected an integer from 0 to 5, found 6. " +
        'The layer has 6 output channels now; earlier pruning renumbers them.',
    );
  });

  it('none at all', () => {
    const graph = graphOf();
    expect(refusal(graph, () => graph.getPruningGroup('conv1', pruneConvOutChannels, [])).code).toBe('NO_INDICES');
  });
});

describe('layers', () => {
  it('that do not exist: the nearest names are suggested', () => {
    const error = errorOf(() => graphOf().getPruningGroup('conv11', pruneConvOutChannels, [0]));
    expect(error).toBeInstanceOf(UnknownLayerError);
    expect(error.message).toMatch(/There is no layer of that name \(node 'conv11'\)\. Did you mean 'conv1'/);
  });

  it('of another kind', () => {
    const error = errorOf(() => graphOf().getPruningGroup('conv1', pruneLinearOutChannels, [0]));
    expect(error).toBeInstanceOf(LayerError);
    expect(error.details).toMatchObject({ node: 'conv1', operator: 'Conv', expected: 'linear', actual: 'conv' });
    expect(errorOf(() => graphOf().getPruningGroup('conv1', pruneBatchnormOutChannels, [0])).code).toBe('WRONG_KIND');
  });

  it('without channels of their own', () => {
    const error = errorOf(() => graphOf().getPruningGroup('relu', pruneConvOutChannels, [0]));
    expect(error.code).toBe('NOT_PRUNABLE');
    expect(error.details).toMatchObject({ node: 'relu', operator: 'Relu' });
  });

  it('before any model was analysed', () => {
    expect(errorOf(() => new DependencyGraph().getPruningGroup('conv1', pruneConvOutChannels, [0])).code).toBe(
      'NOT_BUILT',
    );
  });
});

describe('channels that may not change', () => {
  it('those of the graph input and output, with the reason', () => {
    const graph = graphOf();
    const input = refusal(graph, () => graph.getPruningGroup('conv1', pruneConvInChannels, [0]));
    expect(input.code).toBe('FIXED_CHANNEL');
    expect(input.message).toContain("channel 0 may not change because it is an axis of the graph input 'x'");
    const output = refusal(graph, () => graph.getPruningGroup('last', pruneConvOutChannels, [1]));
    expect(output.message).toContain("channel 1 may not change because it is an axis of the graph output 'last_out'");
  });
});

describe('all channels of a layer', () => {
  it('checkPruningGroup says no, and prune refuses', () => {
    const graph = graphOf();
    const group = graph.getPruningGroup('conv2', pruneConvOutChannels, [0, 1, 2, 3]);
    expect(graph.checkPruningGroup(group)).toBe(false);
    const error = refusal(graph, () => group.prune());
    expect(error.code).toBe('NO_CHANNELS_LEFT');
    expect(error.details).toMatchObject({ expected: 'at least 1 channel', actual: '0 of 4' });
    expect(graph.pruningHistory()).toEqual([]);
  });

  it('all but one may go', () => {
    const graph = graphOf();
    const group = graph.getPruningGroup('conv2', pruneConvOutChannels, [0, 1, 3]);
    expect(graph.checkPruningGroup(group)).toBe(true);
    group.prune();
    expect(graph.channelsOf('last', 'in')).toBe(1);
  });

  it('spread over several groups of one request', () => {
    const graph = graphOf();
    const halves = [
      [0, 1],
      [2, 3],
    ].map((idxs) => graph.getPruningGroup('conv2', pruneConvOutChannels, idxs));
    expect(halves.map((group) => graph.checkPruningGroup(group))).toEqual([true, true]);
    expect(refusal(graph, () => graph.pruneGroups(halves)).code).toBe('NO_CHANNELS_LEFT');
  });

  it('of one part of a concatenation may not go either: its layer would be empty', () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', ['batch', 3, 2, 2]);
    lastConv(b, b.node('Concat', [conv(b, 'a', x, 3, 2), conv(b, 'c', x, 3, 4)], { axis: 1 }), 6);
    const graph = graphOf(b.build());
    expect(graph.checkPruningGroup(graph.getPruningGroup('last', pruneConvInChannels, [0, 1]))).toBe(false);
  });
});

describe('a group that was asked for before its channels were pruned', () => {
  it('is refused: its indices no longer exist', () => {
    const graph = graphOf();
    const [first, stale, other] = [
      graph.getPruningGroup('conv1', pruneConvOutChannels, [0]),
      graph.getPruningGroup('conv1', pruneConvOutChannels, [7]),
      graph.getPruningGroup('conv2', pruneConvOutChannels, [0]),
    ];
    first.prune();
    for (const use of [() => stale.prune(), () => stale.items, () => graph.checkPruningGroup(stale)]) {
      const error = refusal(graph, use);
      expect(error.code).toBe('GROUP_STALE');
      expect(error.details).toMatchObject({ node: 'conv1', expected: '8 channels', actual: '7 channels' });
    }
    // A group of other channels is as good as before.
    other.prune();
    expect(graph.channelsOf('conv2', 'out')).toBe(3);
  });

  it('is refused also by itself, the second time', () => {
    const graph = graphOf();
    const group = graph.getPruningGroup('conv1', pruneConvOutChannels, [0]);
    group.prune();
    expect(refusal(graph, () => group.prune()).code).toBe('GROUP_STALE');
  });
});

describe('a request that fails half way', () => {
  it('leaves the model as it was, also where sizes were already rewritten', () => {
    // A record that contradicts itself: its axes may change, but its output has four features whatever comes in.
    const stubborn: OperatorRecord = {
      domain: 'com.acme',
      opType: 'Stubborn',
      opsets: [1, 1],
      infer: ({ inputs: [x] }) => [{ elemType: x!.elemType, dims: [x!.dims![0], 4] }],
      equations: (ctx) => {
        for (const [axis, term] of ctx.in(0).entries()) ctx.equal(term, ctx.out(0)[axis]);
      },
      resize: nothing,
      macs: noMacs,
      overhead: noOverhead,
      layer: noLayer,
    };
    const b = new GraphBuilder({ opset: 17, opsets: { 'com.acme': 1 } });
    const pooled = b.node('GlobalAveragePool', [conv(b, 'conv1', b.input('x', [2, 3, 2, 2]), 3, 4)]);
    const flat = b.node('Reshape', [pooled, b.ints('flat', [2, 4])]);
    const same = b.node('Stubborn', [flat], {}, { name: 'stubborn', domain: 'com.acme' });
    b.initializer('fc.weight', [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    b.output(b.node('MatMul', [same, 'fc.weight'], {}, { name: 'fc' }));
    const graph = new DependencyGraph().buildDependency(b.build(), { customizedOperators: [stubborn] });
    const group = graph.getPruningGroup('conv1', pruneConvOutChannels, [0, 1, 3]);
    const error = refusal(graph, () => group.prune());
    expect(error.code).toBe('REWRITE_SHAPE');
    expect(error.details).toMatchObject({ node: 'stubborn', axis: 1, expected: 1, actual: 4 });
    expect(graph.channelsOf('fc', 'in')).toBe(4);
  });
});
