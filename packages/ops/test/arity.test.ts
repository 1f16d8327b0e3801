/** How many inputs and outputs operators have, as the tables of the ONNX specification say (onnx.ai/onnx/operators). */
import { arityOf, arityProblem } from '../src/arity.ts';
import { standardOperators } from '../src/standard.ts';

const problem = (opType: string, opset: number, input: string[], output = ['y']): string | undefined => {
  const found = arityProblem(arityOf('', opType, opset)!, { input, output });
  return found && `${found.expected}, found ${found.actual}`;
};

describe('the number of inputs and outputs', () => {
  it('is exact, a range, or has no end', () => {
    expect(problem('Relu', 17, [])).toBe('1 input, found 0');
    expect(problem('Relu', 17, ['x', 'x'])).toBe('1 input, found 2');
    expect(problem('Conv', 17, ['x'])).toBe('2 to 3 inputs, found 1');
    expect(problem('Conv', 17, ['x', 'w', 'b', 'c'])).toBe('2 to 3 inputs, found 4');
    expect(problem('Concat', 17, [])).toBe('1 or more inputs, found 0');
    expect(problem('Concat', 17, Array(300).fill('x'))).toBeUndefined();
    expect(problem('Relu', 17, ['x'], [])).toBe('1 output, found 0');
    expect(problem('Relu', 17, ['x'], ['y', 'z'])).toBe('1 output, found 2');
  });

  it('follows the opset', () => {
    expect(problem('Slice', 9, ['x'])).toBeUndefined();
    expect(problem('Slice', 10, ['x'])).toBe('3 to 5 inputs, found 1');
    expect(problem('Slice', 9, ['x', 's', 'e'])).toBe('1 input, found 3');
    expect(problem('Unsqueeze', 12, ['x'])).toBeUndefined();
    expect(problem('Unsqueeze', 13, ['x'])).toBe('2 inputs, found 1');
  });

  it('knows inputs that must be there, and those that may be absent', () => {
    expect(problem('Conv', 17, ['x', ''])).toBe('a value for input 1, found an empty name');
    expect(problem('Conv', 17, ['x', 'w', ''])).toBeUndefined();
    expect(problem('Clip', 17, ['x', '', 'max'])).toBeUndefined();
    expect(problem('Concat', 17, ['x', ''])).toBe('a value for input 1, found an empty name');
    // Exporters of opset 11 leave roi out, although the schema calls it required; the bounds of a Loop are optional.
    expect(problem('Resize', 11, ['x', '', 'scales'])).toBeUndefined();
    expect(problem('Loop', 17, ['', '', 'v'])).toBeUndefined();
  });

  it('is known of every operator with equations', () => {
    const unknown = standardOperators.filter(
      ({ domain, opType, opsets, refusal }) => refusal === undefined && !arityOf(domain, opType, opsets[1]),
    );
    expect(unknown.map(({ opType }) => opType)).toEqual([]);
  });
});
