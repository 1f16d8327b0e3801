/**
 * `--inputs`: which files a text means for a model, and what the values in them say about the sizes of its inputs. The
 * files are read by packages/data.
 */
import { existsSync } from 'node:fs';
import { type FeedSource, readFeeds } from '@onnx-pruning/data';
import type { Model } from '@onnx-pruning/onnx';
import { modelInputs, type TensorValues } from '@onnx-pruning/runtime';
import { type GivenShape, InputShapeError, resolveInputShapes } from './input-shapes.ts';

/** Values of all inputs: one set, or several. */
export type InputSets = readonly [TensorValues, ...TensorValues[]];

/**
 * @param texts what was given as `--inputs`; none is no set
 * @param shapes what was given as `--input-shape`
 * @throws DataError for files that do not give every input once, as the model takes it; InputShapeError for a set whose
 * sizes are not those of `shapes`
 */
export async function readInputs(
  model: Model,
  texts: readonly string[],
  shapes: readonly GivenShape[],
): Promise<InputSets | undefined> {
  if (texts.length === 0) return undefined;
  const names = modelInputs(model).map(({ name }) => name);
  const [first, ...others] = await readFeeds(
    model,
    texts.map((text) => feedSource(text, names)),
  );
  if (first === undefined) return undefined;
  for (const set of [first, ...others]) checkShapes(model, set, shapes);
  return [first, ...others];
}

/** `name=file`, with a shape behind the file where it holds none; or an archive or a folder. */
export function feedSource(text: string, names: readonly string[]): FeedSource {
  // Names and paths may contain '=' themselves: what is an input of the model, or is there, decides.
  const known = names.filter((name) => text.startsWith(`${name}=`)).sort((a, b) => b.length - a.length)[0];
  const end = known?.length ?? (existsSync(text) ? -1 : text.indexOf('='));
  if (end < 0) return { path: text };
  const [, path, sizes] = /^(.*?)(?::(\d+(?:[x,]\d+)*))?$/s.exec(text.slice(end + 1))!;
  return { input: text.slice(0, end), path, dims: sizes?.split(/[x,]/).map(Number) };
}

function checkShapes(model: Model, set: TensorValues, shapes: readonly GivenShape[]): void {
  for (const [name, { dims }] of Object.entries(set)) {
    const given = shapes.find((shape) => shape.name === name);
    if (given === undefined || given.sizes.join() === dims.join()) continue;
    throw new InputShapeError('INPUT_SHAPE_CONTRADICTS', 'the inputs have another shape than was given for them', {
      value: name,
      expected: given.sizes.join('x'),
      actual: dims.join('x'),
      repair: 'Leave --input-shape out; the sizes follow from --inputs.',
    });
  }
  resolveInputShapes(model, [...shapes, ...Object.entries(set).map(([name, { dims }]) => ({ name, sizes: dims }))]);
}

/** Sizes of the inputs of one set, by name. */
export function sizesOf(set: TensorValues): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(set).map(([name, { dims }]) => [name, dims]));
}
