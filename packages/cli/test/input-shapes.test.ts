/** Sizes for the inputs of a model: which follow from which, and what has to be given. */
import { GraphBuilder, type Model } from '@onnx-pruning/onnx';
import { resolveInputShapes } from '../src/input-shapes.ts';

function withInputs(inputs: Record<string, (number | string)[]>): Model {
  const b = new GraphBuilder({ opset: 17 });
  for (const [name, dims] of Object.entries(inputs)) b.output(b.node('Relu', [b.input(name, dims)]), dims);
  return b.build();
}

describe('resolveInputShapes', () => {
  it('takes sizes from the model, and a batch of one', () => {
    const model = withInputs({ x: ['batch', 3, 8, 8], y: [2, 5] });
    expect(resolveInputShapes(model, [])).toEqual({ x: [1, 3, 8, 8], y: [2, 5] });
  });

  it('gives a symbol one size wherever it occurs', () => {
    const model = withInputs({ x: ['batch', 'time'], mask: ['batch', 'time'], state: [1, 'batch', 4] });
    const shapes = { x: [1, 16], mask: [1, 16], state: [1, 1, 4] };
    expect(resolveInputShapes(model, [{ name: 'time', sizes: [16] }])).toEqual(shapes);
    expect(resolveInputShapes(model, [{ name: 'mask', sizes: [1, 16] }])).toEqual(shapes);
  });

  it("takes '?' and negative numbers for sizes of their own", () => {
    const shapes = { x: [2, 3, 16, 24] };
    for (const free of ['?', -1]) {
      const model = withInputs({ x: [free, 3, free, free] });
      expect(resolveInputShapes(model, [{ name: 'x', sizes: [2, 3, 16, 24] }])).toEqual(shapes);
      expect(() => resolveInputShapes(model, [])).toThrow('--input-shape x=1x3x224x224');
    }
  });

  it('takes another batch when it is given', () => {
    const model = withInputs({ x: ['batch', 3], y: ['batch', 5] });
    expect(resolveInputShapes(model, [{ name: 'batch', sizes: [4] }])).toEqual({ x: [4, 3], y: [4, 5] });
    expect(resolveInputShapes(model, [{ name: 'x', sizes: [4, 3] }])).toEqual({ x: [4, 3], y: [4, 5] });
  });

  it('names every input that needs sizes, as the options that give them', () => {
    const model = withInputs({ x: ['batch', 3, 'h', 'w'], y: [2, 5], z: ['batch', 'n'] });
    expect(() => resolveInputShapes(model, [])).toThrow('--input-shape x=1x3x224x224 --input-shape z=1x224');
  });

  it('refuses a symbol with a whole shape, and an unknown name', () => {
    const model = withInputs({ x: ['batch', 3, 'h', 'h'] });
    expect(() => resolveInputShapes(model, [{ name: 'h', sizes: [8, 8] }])).toThrow("no input or symbol 'h' with such");
    expect(() => resolveInputShapes(model, [{ name: 'q', sizes: [8] }])).toThrow('expected x=batchx3xhxh');
  });
});
