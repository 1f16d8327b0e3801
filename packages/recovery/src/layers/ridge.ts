/**
 * Ridge regression from moments: weights that best give the targets, drawn towards the weights that are there (Hoerl and
 * Kennard, Ridge Regression, Technometrics 1970, with another centre than zero). It must not know where rows and targets
 * come from.
 */
import { factorize } from '../solve/cholesky.ts';
import { type Matrix, type MatrixProducts, matrix } from '../solve/matrix.ts';
import type { Moments } from './moments.ts';

/** A linear function of rows. */
export interface Fit {
  readonly weights: Matrix;
  /** One number for each output. */
  readonly bias: Float64Array;
}

/** How a fit is made. */
export interface FitOptions {
  /** The pull towards the weights that are there, as a share of the mean diagonal of the covariance; at least 0. */
  readonly lambda: number;
  /** Whether the bias is chosen, too. */
  readonly hasBias: boolean;
  /** Whether nothing but the bias is. */
  readonly biasOnly: boolean;
}

/** Variance of numbers that are equal but for rounding to float32, over their square: below the square of 2^-20. */
const ROUNDING = 1e-12;

/** Moments of second order about some means. */
interface Centred {
  readonly meanX: Float64Array;
  readonly meanY: Float64Array;
  readonly xx: Matrix;
  readonly xy: Matrix;
  readonly yy: Float64Array;
}

/** @param aboutZero whether the moments are taken as they are */
function centred(moments: Moments, aboutZero: boolean): Centred {
  const { count } = moments;
  const meanX = moments.x.map((sum) => (aboutZero ? 0 : sum / count));
  const meanY = moments.y.map((sum) => (aboutZero ? 0 : sum / count));
  const [inputs, outputs] = [meanX.length, meanY.length];
  const xx = matrix(inputs, inputs);
  const xy = matrix(inputs, outputs);
  for (let i = 0; i < inputs; i++) {
    const mean = meanX[i]!;
    for (let j = 0, at = i * inputs; j < inputs; j++, at++)
      xx.data[at] = moments.xx.data[at]! / count - mean * meanX[j]!;
    for (let j = 0, at = i * outputs; j < outputs; j++, at++) {
      xy.data[at] = moments.xy.data[at]! / count - mean * meanY[j]!;
    }
  }
  return { meanX, meanY, xx, xy, yy: moments.yy.map((sum, j) => sum / count - meanY[j]! ** 2) };
}

/**
 * The mean square of what a fit leaves of the targets, summed over the outputs; and that of the targets about their
 * means, which is what the best constants leave.
 */
export async function errorOf(
  moments: Moments,
  { weights, bias }: Fit,
  products: MatrixProducts,
): Promise<{ readonly error: number; readonly spread: number }> {
  const { meanX, meanY, xx, xy, yy } = centred(moments, false);
  const image = await products.multiply(xx, weights);
  const { columns: outputs } = weights;
  const offset = Float64Array.from(meanY, (y, j) => y - bias[j]!);
  for (let i = 0; i < weights.rows; i++) {
    for (let j = 0; j < outputs; j++) offset[j]! -= weights.data[i * outputs + j]! * meanX[i]!;
  }
  let [error, spread] = [0, 0];
  for (let j = 0; j < outputs; j++) {
    spread += yy[j]!;
    error += yy[j]! + offset[j]! ** 2;
  }
  // E (y - w'x)^2 = E y^2 + w' (E xx' w - 2 E xy), about the means.
  for (let at = 0; at < weights.data.length; at++) error += weights.data[at]! * (image.data[at]! - 2 * xy.data[at]!);
  return { error, spread };
}

/**
 * The fit that leaves least of the targets.
 * @param start the weights towards which it is drawn; its bias stays where none is chosen
 */
export async function ridge(
  moments: Moments,
  start: Fit,
  { lambda, hasBias, biasOnly }: FitOptions,
  products: MatrixProducts,
): Promise<Fit> {
  const about = centred(moments, !hasBias);
  const weights = biasOnly ? start.weights : await solve(about, start.weights, lambda, products);
  return { weights, bias: hasBias ? biasOf(weights, about) : start.bias };
}

/** (XX + lambda d I) (W - W0) = XY - XX W0, where d is the mean of the diagonal of XX. */
async function solve(
  { meanX, xx, xy }: Centred,
  start: Matrix,
  lambda: number,
  products: MatrixProducts,
): Promise<Matrix> {
  const { rows: inputs, columns: outputs } = start;
  let mean = 0;
  for (let i = 0; i < inputs; i++) mean += xx.data[i * inputs + i]! / inputs;
  // Inputs that vary by no more than rounding say nothing.
  const squares = meanX.reduce((sum, x) => sum + x ** 2 / inputs, mean);
  if (!(mean > ROUNDING * squares)) return start;
  const image = await products.multiply(xx, start);
  const right = matrix(
    inputs,
    outputs,
    xy.data.map((x, i) => x - image.data[i]!),
  );
  for (let i = 0; i < inputs; i++) xx.data[i * inputs + i]! += lambda * mean;
  const { data } = await (await factorize(xx, products)).solve(right);
  return matrix(
    inputs,
    outputs,
    data.map((x, i) => x + start.data[i]!),
  );
}

/** What makes the mean error zero. */
function biasOf(weights: Matrix, { meanX, meanY }: Centred): Float64Array {
  const bias = meanY.slice();
  const { rows, columns, data } = weights;
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) bias[j]! -= data[i * columns + j]! * meanX[i]!;
  return bias;
}
