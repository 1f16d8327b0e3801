/** Turns the text of option values into values, or into errors that say what is expected. It reads no files. */
import { InvalidArgumentError } from 'commander';
import type { GivenShape } from './input-shapes.ts';

/** A share in [0, 1). */
export function parseRatio(text: string): number {
  const ratio = text.trim() === '' ? Number.NaN : Number(text);
  if (ratio >= 0 && ratio < 1) return ratio;
  throw new InvalidArgumentError('Expected a number from 0 up to, but not including, 1, such as 0.5.');
}

/** Percentage points, above 0 and below 100. */
export function parsePoints(text: string): number {
  const points = text.trim() === '' ? Number.NaN : Number(text);
  if (points > 0 && points < 100) return points;
  throw new InvalidArgumentError('Expected percentage points above 0 and below 100, such as 0.5.');
}

/** A confidence in (0, 1). */
export function parseConfidence(text: string): number {
  const confidence = text.trim() === '' ? Number.NaN : Number(text);
  if (confidence > 0 && confidence < 1) return confidence;
  throw new InvalidArgumentError('Expected a confidence above 0 and below 1, such as 0.95.');
}

/** Shares above 0 and below 1, with commas between them. */
export function parseRatios(text: string): number[] {
  const ratios = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (ratios.every((ratio) => ratio > 0 && ratio < 1)) return ratios;
  throw new InvalidArgumentError('Expected shares above 0 and below 1 with commas between them, such as 0.1,0.3,0.5.');
}

export function parsePositiveInteger(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
  throw new InvalidArgumentError('Expected a positive integer, such as 8.');
}

export function parseSeed(text: string): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError('Expected an integer from 0 up, such as 42.');
}

/** `name=1x3x224x224` or `symbol=16`; repeated options add up. */
export function parseInputShape(text: string, before: readonly GivenShape[] = []): GivenShape[] {
  const match = /^(.+)=(\d+(?:[x,]\d+)*)$/.exec(text.trim());
  const sizes = match?.[2].split(/[x,]/).map(Number) ?? [];
  if (match && sizes.every((size) => size >= 1)) return [...before, { name: match[1], sizes }];
  throw new InvalidArgumentError(
    'Expected an input with its shape, input=1x3x224x224, or a symbol with a size, h=224.',
  );
}

/** A path; `-o "$OUT"` with an empty variable is a mistake. */
export function parsePath(text: string): string {
  if (text === '-')
    throw new InvalidArgumentError('Streams are not read or written; give a path, or ./- for such a file.');
  if (text !== '') return text;
  throw new InvalidArgumentError('Expected the path of a file.');
}

/** Files with values of inputs; which of them are names only the model knows. Repeated options add up. */
export function parseInputs(text: string, before: readonly string[] = []): string[] {
  if (text !== '' && !text.startsWith('=') && !text.endsWith('=')) return [...before, text];
  throw new InvalidArgumentError('Expected an input with its file, input=image.npy, or an .npz file or a folder.');
}

/** Options that may be given several times. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
