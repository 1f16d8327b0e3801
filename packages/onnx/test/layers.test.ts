import { join } from 'node:path';
import { GraphBuilder, loadModel, type Model, nearestNames, UnknownLayerError } from '../src/index.ts';

const data = (name: string): string => join(__dirname, 'data', name);

function linearModel(): Model {
  const b = new GraphBuilder();
  b.input('x', ['n', 2]);
  b.initializer('head.fc.weight', [2, 2], [1, 2, 3, 4]);
  b.initializer('head.fc.bias', [2], [1, 2]);
  b.initializer('onnx::Mul_7', [2], [1, 2]);
  const biased = b.node('Add', [b.node('MatMul', ['x', 'head.fc.weight'], {}, { name: 'mm' }), 'head.fc.bias']);
  b.output(b.node('Mul', [biased, 'onnx::Mul_7'], {}, { name: '', outputs: ['scaled'] }));
  return b.build();
}

describe('model.layer', () => {
  it('finds a node by the prefix of its initializers, its name, or an output', async () => {
    const model = await loadModel(data('tiny-resnet.onnx'));
    const byPrefix = model.layer('layer1.0.conv1');
    expect(byPrefix.node.input).toContain('layer1.0.conv1.weight');
    expect(model.layer(byPrefix.node.name!).node).toBe(byPrefix.node);
    expect(model.layer(byPrefix.node.output[0]!).node).toBe(byPrefix.node);
    expect(byPrefix).toMatchObject({ name: 'layer1.0.conv1', model });
  });

  it('finds a layer by its module path where folding has renamed the weights', async () => {
    const model = await loadModel(data('tiny-densenet-folded.onnx'));
    const { node } = model.layer('features.denseblock1.denselayer2.conv1');
    expect(node.name).toBe('/features/denseblock1/denselayer2/conv1/Conv');
  });

  it('takes the node with the weight where several share a prefix', () => {
    expect(linearModel().layer('head.fc').node.opType).toBe('MatMul');
  });

  it('suggests the nearest names', () => {
    expect(() => linearModel().layer('head.fcc')).toThrow(UnknownLayerError);
    expect(() => linearModel().layer('head.fcc')).toThrow(
      "There is no layer of that name (node 'head.fcc'). Did you mean 'head.fc' or 'mm' or 'Add_0'?",
    );
    expect(() => linearModel().layer('')).toThrow(UnknownLayerError);
  });
});

describe('model.layers', () => {
  it('are the nodes in graph order: initializer prefix, else node name, else first output; no two alike', () => {
    expect(
      linearModel()
        .layers()
        .map((layer) => layer.name),
    ).toEqual(['head.fc', 'Add_0', 'scaled']);
  });

  it('have the common prefix of all their initializers', () => {
    const b = new GraphBuilder();
    for (const name of ['blk.a.w', 'blk.a.b', 'blk.ab.w', 'p.w']) b.initializer(name, [1], [1]);
    b.node('Foo', ['blk.a.w', 'blk.a.b']);
    b.node('Foo', ['blk.a.w', 'blk.ab.w']);
    b.node('Foo', ['blk.a.w', 'p.w']);
    expect(
      b
        .build()
        .layers()
        .map((layer) => layer.name),
    ).toEqual(['blk.a', 'blk', 'Foo_2']);
  });
});

describe('nearestNames', () => {
  it('orders by edit distance, then alphabetically', () => {
    expect(nearestNames('conv', ['conv12', 'fc', 'conv1', 'conv2'])).toEqual(['conv1', 'conv2', 'conv12']);
    // What people leave out is the path before the last dot.
    expect(nearestNames('conv9', ['bn', 'layer4.1.conv2', 'fc'], 1)).toEqual(['layer4.1.conv2']);
  });
});
