/** Which layers a selector means: names as exporters write them, modules, patterns; and what means none. */
import { AmbiguousLayerError, GraphBuilder, type Model, UnknownLayerError } from '@onnx-pruning/onnx';
import { DependencyGraph, LayerError, pruneConvOutChannels } from '../src/index.ts';

/** 1x1 convolutions one after the other, each with a Relu; a name and a name of its weight for each. */
function chain(layers: readonly (readonly [node: string, weight: string])[], scopes: readonly string[] = []): Model {
  const b = new GraphBuilder({ opset: 17 });
  let x = b.input('x', ['batch', 4, 2, 2]);
  layers.forEach(([name, weight], i) => {
    b.initializer(weight, [4, 4, 1, 1], (size) => new Array<number>(size).fill(1));
    x = b.node('Conv', [x, weight], {}, { name, outputs: [`value_${i}`] });
    if (i < layers.length - 1) x = b.node('Relu', [x], {}, { name: `relu_${i}` });
  });
  b.output(x);
  const model = b.build();
  scopes.forEach((value, i) => {
    const node = model.graph.node.filter(({ opType }) => opType === 'Conv')[i];
    if (node) node.metadataProps = [{ key: value.startsWith('[') ? 'pkg.torch.onnx.name_scopes' : 'namespace', value }];
  });
  return model;
}

const graphOf = (model: Model): DependencyGraph => new DependencyGraph().buildDependency(model);
const matched = (model: Model, selector: string): string[] =>
  graphOf(model)
    .matchLayers(selector)
    .map(({ layer }) => layer.node.output[0]!);

const yolo = (): Model =>
  chain([
    ['/model.2/conv/Conv', 'onnx::Conv_1'],
    ['/model.22/cv2.0/cv2.0.0/conv/Conv', 'onnx::Conv_2'],
    ['/model.22/cv3/Conv', 'model.22.cv3.weight'],
  ]);

describe('a module', () => {
  it.each([
    ['model.22', ['value_1', 'value_2']],
    ['/model.22', ['value_1', 'value_2']],
    ['/model.22/*', ['value_1', 'value_2']],
    ['model.2', ['value_0']],
    ['model.22.cv2.0.0.conv', ['value_1']],
    ['/model.22/cv2.0/cv2.0.0', ['value_1']],
    ['*.cv?', ['value_1', 'value_2']],
    ['*.cv3', ['value_2']],
    ['/model.2/conv/Conv', ['value_0']],
    ['value_2', ['value_2']],
    ['model.22.cv3.weight', ['value_2']],
  ])('of torch, %s, with weights renamed by folding', (selector, expected) => {
    expect(matched(yolo(), selector)).toEqual(expected);
  });

  it.each([
    ["['', 'head', 'head.c1', 'conv2d']", 'head.c1'],
    [': Net/head: torch.nn.Sequential/head.c1: torch.nn.Conv2d/conv2d: aten.conv2d.default', 'head'],
  ])('in metadata, %s', (metadata, selector) => {
    expect(
      matched(
        chain(
          [
            ['node_1', 'val_1'],
            ['node_2', 'val_2'],
          ],
          [metadata],
        ),
        selector,
      ),
    ).toEqual(['value_0']);
  });

  it.each(['model/block', 'StatefulPartitionedCall/model/block', 'model.block.conv', 'model/block/*'])(
    'of TensorFlow, %s',
    (selector) => {
      const model = chain([
        ['StatefulPartitionedCall/model/block/conv/Conv2D', 'const_1'],
        ['StatefulPartitionedCall/model/head/Conv2D', 'const_2'],
      ]);
      expect(matched(model, selector)).toEqual(['value_0']);
    },
  );

  it('of nodes without names, by names of weights with slashes', () => {
    expect(
      matched(
        chain([
          ['', 'net/a/kernel'],
          ['', 'net/b/kernel'],
        ]),
        'net.b',
      ),
    ).toEqual(['value_1']);
  });
});

describe('a selector is refused', () => {
  it('that matches nothing, with the nearest names', () => {
    expect(() => graphOf(yolo()).matchLayers('model.23')).toThrow(UnknownLayerError);
    expect(() => graphOf(yolo()).matchLayers('model.23')).toThrow(/Did you mean 'model\.22'/);
  });

  it('that matches activations only, with what it matched', () => {
    expect(() => graphOf(yolo()).matchLayers('relu_*')).toThrow(LayerError);
    expect(() => graphOf(yolo()).matchLayers('relu_*')).toThrow(/'Relu relu_0', 'Relu relu_1'/);
  });

  it('that means several layers where one is needed, with their names', () => {
    const one = (): unknown => graphOf(yolo()).getPruningGroup('model.22', pruneConvOutChannels, [0]);
    expect(one).toThrow(AmbiguousLayerError);
    expect(one).toThrow(/found 2: '\/model\.22\/cv2\.0\/cv2\.0\.0\/conv\/Conv', 'model\.22\.cv3'/);
    expect(() => yolo().layer('model.22')).toThrow(AmbiguousLayerError);
  });
});

it('options take selectors: a module in ignoredLayers of getAllGroups', () => {
  const roots = [...graphOf(yolo()).getAllGroups({ ignoredLayers: ['/model.22/*'] })].map(
    ({ root }) => root.layer.name,
  );
  expect(roots).toEqual(['/model.2/conv/Conv']);
});
