/**
 * Random programs: lists of steps that fast-check can shrink, and the model that a program stands for. Every value that
 * no node uses ends in a layer of its own, so that graph outputs freeze nothing but that layer.
 */
import { checkModel, type Model } from '@onnx-pruning/onnx';
import fc from 'fast-check';
import { conv, imageSteps, type Step } from './image-steps.ts';
import { gemm, matrixSteps, project } from './matrix-steps.ts';
import { otherSteps } from './other-steps.ts';
import { BATCH, Choices, type Dynamic, RandomGraph, SIZE, type Value } from './random-graph.ts';

const steps: readonly (readonly [string, Step])[] = [...imageSteps, ...matrixSteps, ...otherSteps];
const names = [...new Set(steps.map(([name]) => name))];

/** One step by name, with the numbers that it chooses by. */
export interface ProgramStep {
  readonly step: string;
  readonly numbers: readonly number[];
}

export interface Program {
  readonly opset: number;
  readonly dynamic: Dynamic;
  readonly seed: number;
  /** Number of input images. */
  readonly inputs: number;
  readonly steps: readonly ProgramStep[];
}

/** A model with the sizes of its symbols. */
export interface RandomModel {
  readonly model: Model;
  readonly dims: Readonly<Record<string, number>>;
}

const weighted = fc.constantFrom(...steps.map(([name]) => name));

/** Programs of up to `length` steps. */
export function programs(length: number): fc.Arbitrary<Program> {
  const numbers = fc.array(fc.nat(11), { minLength: 12, maxLength: 12 });
  return fc.record({
    opset: fc.constantFrom(17, 11, 13, 18, 21),
    dynamic: fc.constantFrom<Dynamic>('none', 'batch', 'spatial'),
    seed: fc.nat(1000),
    inputs: fc.constantFrom(1, 2),
    steps: fc.array(fc.record({ step: weighted, numbers }), { minLength: 1, maxLength: length, size: 'max' }),
  });
}

/** Builds a fresh model of the program; the same each time. */
export function buildProgram(program: Program): RandomModel {
  const g = new RandomGraph(program);
  for (let i = 0; i < program.inputs; i++) {
    const stem = conv(g, g.input([BATCH, 3, SIZE, SIZE]), { out: i === 0 ? 8 : 6, kernel: 3 });
    g.add(stem.name, stem.dims);
  }
  const byName = new Map(steps);
  for (const { step, numbers } of program.steps) byName.get(step)?.(g, new Choices(numbers));
  for (const value of g.loose()) g.builder.output(head(g, value).name);
  const model = g.build();
  checkModel(model);
  return { model, dims: g.sizes };
}

function head(g: RandomGraph, value: Value): Value {
  if (value.dims.length === 4) return conv(g, value, { out: 2 });
  return value.dims.length === 2 ? gemm(g, value, 2, new Choices([1])) : project(g, value, 2);
}

/** Names of all steps, for tests of the tests. */
export const stepNames: readonly string[] = names;
