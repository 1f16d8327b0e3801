import { DataType } from '@onnx-pruning/onnx';
import { mean, modelInputs, randomInputs, valueNumbers } from '../src/index.ts';
import { identityModel, pairModel, scaleModel } from './models.ts';

const numbersOf = (dims: readonly (number | string)[], dataType: number, options = {}): number[] =>
  Array.from(valueNumbers(randomInputs(identityModel(dims, dataType), options).x!));

describe('randomInputs', () => {
  it('feeds every input of its declared type and shape', () => {
    const feeds = randomInputs(pairModel(['batch', 2], ['batch', 5]), { batch: 4 });
    expect(feeds.left).toMatchObject({ dataType: DataType.FLOAT, dims: [4, 2] });
    expect(feeds.right).toMatchObject({ dataType: DataType.FLOAT, dims: [4, 5] });
    expect(feeds.left!.data).toHaveLength(8);
  });

  it('leaves out inputs that an initializer fills', () => {
    const model = scaleModel(2);
    model.graph.input.push({ name: 'factor', type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [] } } } });
    expect(modelInputs(model).map((input) => input.name)).toEqual(['x']);
    expect(Object.keys(randomInputs(model))).toEqual(['x']);
  });

  it.each([[[3, 2 ** 44]], [[2 ** 15, 2 ** 14]]])('makes no input as large as %j, and says so', (dims) => {
    expect(() => numbersOf(dims, DataType.FLOAT)).toThrow(
      expect.objectContaining({ code: 'FEED_SIZE', message: expect.stringMatching(/'x'.*up to 268435456/) }),
    );
  });

  it('gives the same values for the same seed, and others for another', () => {
    const values = (seed: number) => numbersOf([16], DataType.FLOAT, { seed });
    expect(values(7)).toEqual(values(7));
    expect(values(7)).not.toEqual(values(8));
  });

  it('draws floats from the standard normal distribution', () => {
    for (const dataType of [DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE]) {
      const values = numbersOf([10_000], dataType);
      // Standard errors over 10,000 draws: 0.01 of the mean, 0.014 of the variance.
      expect(Math.abs(mean(values))).toBeLessThan(0.05);
      expect(mean(values.map((value) => value ** 2))).toBeCloseTo(1, 1);
    }
  });

  it('draws integers that are in range', () => {
    const range = (dataType: number, options = {}) => {
      const values = numbersOf([5000], dataType, options);
      return [Math.min(...values), Math.max(...values)];
    };
    expect(range(DataType.UINT8)).toEqual([0, 255]);
    expect(range(DataType.INT8)).toEqual([-128, 127]);
    expect(range(DataType.BOOL)).toEqual([0, 1]);
    expect(range(DataType.INT64)).toEqual([0, 1]);
    expect(range(DataType.INT64, { ranges: { x: [10, 20] } })).toEqual([10, 19]);
  });

  it('makes a scalar', () => {
    expect(randomInputs(identityModel([])).x).toMatchObject({ dims: [], data: { length: 1 } });
  });
});

describe('symbolic sizes', () => {
  const dimsOf = (model: Parameters<typeof randomInputs>[0], options = {}) =>
    Object.values(randomInputs(model, options)).map((value) => value.dims);

  it('takes 1 for a batch that is not given', () => {
    expect(dimsOf(identityModel(['batch', 3]))).toEqual([[1, 3]]);
  });

  it('takes a size by the name of its symbol, in every input', () => {
    const model = pairModel(['batch', 'length'], ['batch', 'length']);
    expect(dimsOf(model, { dims: { length: 7 }, batch: 2 })).toEqual([
      [2, 7],
      [2, 7],
    ]);
  });

  it('takes all dimensions of one input, and what follows from them for the others', () => {
    const model = pairModel(['batch', 'length'], ['batch', 'length']);
    expect(dimsOf(model, { dims: { left: [4, 9] } })).toEqual([
      [4, 9],
      [4, 9],
    ]);
  });

  it('takes dimensions without a name by input', () => {
    expect(dimsOf(identityModel(['', 3, '']), { dims: { x: [2, 3, 5] } })).toEqual([[2, 3, 5]]);
  });

  it('asks for a size that it cannot know', () => {
    expect(() => randomInputs(identityModel(['batch', 3, 'height', 'width']))).toThrow(/'height': size/);
    expect(() => randomInputs(identityModel(['batch', '']))).toThrow(/'x': \[\.\.\.\]/);
    const unranked = identityModel(['batch']);
    unranked.graph.input[0]!.type = { tensorType: { elemType: DataType.FLOAT } };
    expect(() => randomInputs(unranked)).toThrow('does not declare');
    expect(dimsOf(unranked, { dims: { x: [2, 2] } })).toEqual([[2, 2]]);
  });

  it('refuses names that are not in the model', () => {
    const model = identityModel(['batch', 'height']);
    expect(() => randomInputs(model, { dims: { hight: 8 } })).toThrow(/'hight'.*'batch', 'height'/);
    expect(() => randomInputs(model, { dims: { y: [1, 8] } })).toThrow(/'y'.*'x'/);
    expect(() => randomInputs(model, { dims: { height: 8 }, ranges: { y: [0, 2] } })).toThrow(/'y'.*'x'/);
  });

  it('refuses sizes that contradict the model or each other', () => {
    expect(() => randomInputs(identityModel(['batch', 3]), { dims: { x: [1, 4] } })).toThrow('[1, 3], found [1, 4]');
    expect(() => randomInputs(identityModel(['batch', 3]), { dims: { x: [1] } })).toThrow('[1, 3], found [1]');
    const model = pairModel(['batch', 2], ['batch', 2]);
    expect(() => randomInputs(model, { dims: { left: [4, 2], right: [5, 2] } })).toThrow('contradict');
    expect(() => randomInputs(identityModel(['batch', 'n']), { dims: { n: -1 } })).toThrow('whole number');
  });

  it('refuses a batch that the model does not take', () => {
    expect(() => randomInputs(identityModel([1, 3]), { batch: 8 })).toThrow('a batch of 8');
    expect(dimsOf(identityModel([1, 3]), { batch: 1 })).toEqual([[1, 3]]);
  });
});

describe('inputs that no number fits', () => {
  it('are refused by name', () => {
    expect(() => randomInputs(identityModel([1], DataType.STRING))).toThrow(/'x'.*STRING/);
    expect(() => randomInputs(identityModel([1], DataType.BFLOAT16))).toThrow(/'x'.*BFLOAT16/);
    const sequence = identityModel([1]);
    sequence.graph.input[0]!.type = { sequenceType: {} };
    expect(() => randomInputs(sequence)).toThrow('not a tensor');
  });
});
