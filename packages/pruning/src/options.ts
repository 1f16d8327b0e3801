/** Errors of options: they name the option, the value and what is allowed. */
import { OnnxPruningError } from '@onnx-pruning/onnx';

/** An option with a value that is not allowed. */
export class OptionError extends OnnxPruningError {}

/** Builds the error for an option; `allowed` is a list of values or a sentence. */
export function optionError(option: string, value: unknown, allowed: string | readonly unknown[]): OptionError {
  const expected = typeof allowed === 'string' ? allowed : `one of ${allowed.map(String).join(', ')}`;
  return new OptionError('OPTION', `the option ${option} has a value that is not allowed`, {
    expected,
    actual: show(value),
    repair: `Give ${option} one of the allowed values.`,
  });
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** Throws unless `value` is a number in [min, max), or in [min, max] when `inclusive`. */
export function checkRange(option: string, value: number, min: number, max: number, inclusive = false): void {
  const fits = typeof value === 'number' && value >= min && (inclusive ? value <= max : value < max);
  if (!fits) throw optionError(option, value, `a number in [${min}, ${max}${inclusive ? ']' : ')'}`);
}

/** Throws unless `value` is true or false. */
export function checkBoolean(option: string, value: unknown): void {
  if (typeof value !== 'boolean') throw optionError(option, value, [true, false]);
}

/** Throws unless `value` is a positive integer. */
export function checkPositiveInteger(option: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw optionError(option, value, 'a positive integer');
}
