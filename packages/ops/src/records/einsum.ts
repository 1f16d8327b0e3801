/**
 * Einsum: an axis is what its letter is. Letters that the result does not have are summed over. Letters that stand twice
 * in one operand (diagonals) have no equation.
 */
import { carry, commonDim, freezeNode } from '../axes.ts';
import { broadcastDims } from '../broadcast.ts';
import { NEWEST_OPSET } from '../opsets.ts';
import type {
  CostContext,
  Dim,
  EquationContext,
  InferContext,
  LayerSpec,
  NodeView,
  OperatorRecord,
  ParameterSpec,
  Term,
  ValueInfo,
} from '../record.ts';
import { noOverhead, nothing } from '../record.ts';
import { elemTypeOf } from '../values.ts';
import { shapeInfo, stretchOnto } from './operands.ts';

/** Axes that an ellipsis stands for have no letter. */
type Letter = string | undefined;

interface Equation {
  /** One entry per axis of every operand. */
  readonly operands: readonly (readonly Letter[])[];
  readonly result: readonly Letter[];
}

const ELLIPSIS = '...';

/** Letters per axis; `hidden` is the number of axes that an ellipsis stands for. */
function lettersOf(term: string, hidden: number): Letter[] {
  const [before, after] = term.split(ELLIPSIS) as [string, string?];
  return after === undefined ? [...before] : [...before, ...new Array<undefined>(hidden).fill(undefined), ...after];
}

function hiddenAxes(term: string, rank: number): number {
  return term.includes(ELLIPSIS) ? rank - (term.length - ELLIPSIS.length) : 0;
}

/** Where nothing is stated, the result has the ellipsis, then the letters that occur once, in alphabetical order. */
function impliedResult(terms: readonly string[]): string {
  const letters = [...terms.join('').replaceAll('.', '')];
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
  return (terms.some((term) => term.includes(ELLIPSIS)) ? ELLIPSIS : '') + once.join('');
}

/** The equation, by axis; undefined where ranks are not known or do not fit. */
function equationOf(view: NodeView): Equation | undefined {
  const [left, right] = view.string('equation', '').replaceAll(' ', '').split('->') as [string, string?];
  const terms = left.split(',');
  const ranks = view.inputs.map((info) => info?.dims?.length);
  if (terms.length !== ranks.length || ranks.includes(undefined)) return undefined;
  const hidden = terms.map((term, i) => hiddenAxes(term, ranks[i]!));
  const operands = terms.map((term, i) => lettersOf(term, hidden[i]!));
  if (hidden.some((count) => count < 0) || operands.some((axes, i) => axes.length !== ranks[i])) return undefined;
  const result = right ?? impliedResult(terms);
  const most = Math.max(...hidden);
  // Leaving out the ellipsis of the result is not in the specification.
  return most > 0 && !result.includes(ELLIPSIS) ? undefined : { operands, result: lettersOf(result, most) };
}

/** What every operand has along the axes of the ellipsis. */
function underEllipsis<T>(operands: readonly (readonly Letter[])[], axesOf: (i: number) => readonly T[]): T[][] {
  return operands.map((letters, i) => axesOf(i).filter((_, axis) => letters[axis] === undefined));
}

/** Sizes of all letters; one that is 1 is stretched. */
function letterSizes(ctx: InferContext, operands: readonly (readonly Letter[])[]): Map<string, Dim> {
  const found = new Map<string, Dim[]>();
  operands.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      if (letter !== undefined) found.set(letter, [...(found.get(letter) ?? []), ctx.dims(i)![axis]!]);
    });
  });
  const common = (sizes: Dim[]): Dim => {
    const long = sizes.filter((size) => size !== 1);
    return long.length > 0 ? commonDim(ctx, long) : 1;
  };
  return new Map([...found].map(([letter, sizes]) => [letter, common(sizes)]));
}

function infer(ctx: InferContext): ValueInfo[] {
  const elemType = elemTypeOf(ctx, 0);
  const equation = equationOf(ctx);
  if (!equation) return [{ elemType }];
  const sizes = letterSizes(ctx, equation.operands);
  const hidden = broadcastDims(
    ctx,
    underEllipsis(equation.operands, (i) => ctx.dims(i)!),
  )!;
  const dims = equation.result.map((letter): Dim => {
    const size = letter === undefined ? hidden.shift() : sizes.get(letter);
    return size ?? ctx.fail('a result of axes that the operands have', `'${letter ?? ELLIPSIS}'`);
  });
  return [shapeInfo(elemType, dims)];
}

/** Whether a letter stands twice in one term: the axes are walked together, which is no sum over channels. */
function hasDiagonal({ operands, result }: Equation): boolean {
  return [...operands, result].some((letters) => {
    const named = letters.filter((letter) => letter !== undefined);
    return new Set(named).size < named.length;
  });
}

/** One axis for every letter: the longest, so that operands of one channel are stretched over it. */
function letterTerms(ctx: EquationContext, operands: readonly (readonly Letter[])[]): Map<string, Term> {
  const terms = new Map<string, Term>();
  operands.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      const term = ctx.in(i)[axis]!;
      if (letter !== undefined && (terms.get(letter)?.size ?? 1) === 1) terms.set(letter, term);
    });
  });
  return terms;
}

function equations(ctx: EquationContext): void {
  const equation = equationOf(ctx);
  if (!equation) {
    freezeNode(ctx, 'its equation does not fit its operands');
    return;
  }
  if (hasDiagonal(equation)) {
    freezeNode(ctx, 'a letter stands twice in one term of its equation');
    return;
  }
  const { operands, result } = equation;
  const terms = letterTerms(ctx, operands);
  const out = ctx.out(0);
  const hiddenOut = out.filter((_, axis) => result[axis] === undefined);
  underEllipsis(operands, (i) => ctx.in(i)).forEach((axes) => {
    stretchOnto(ctx, axes, hiddenOut);
  });
  operands.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      if (letter !== undefined) stretchOnto(ctx, [ctx.in(i)[axis]!], [terms.get(letter)!]);
    });
  });
  result.forEach((letter, axis) => {
    if (letter !== undefined) carry(ctx, terms.get(letter), out[axis]);
  });
  consumeSummed(ctx, equation);
}

/** One factor that is zero is enough: constants are only named where nothing else has the letter. */
function consumeSummed(ctx: EquationContext, { operands, result }: Equation): void {
  const summed = new Set(operands.flat().filter((letter) => letter !== undefined && !result.includes(letter)));
  for (const letter of summed) {
    const having = operands.flatMap((letters, i) => (letters.includes(letter) ? [i] : []));
    const computed = having.filter((i) => ctx.constant(i) === undefined);
    for (const i of computed.length > 0 ? computed : having) ctx.consumes(i, operands[i]!.indexOf(letter));
  }
}

/** A constant among two operands is a weight: letters of its own are outputs, summed ones are inputs. */
function layer(view: NodeView): LayerSpec | null {
  const equation = equationOf(view);
  const constants = view.inputs.flatMap((_, i) => (view.constant(i) ? [i] : []));
  const [input] = constants;
  if (!equation || hasDiagonal(equation) || constants.length !== 1 || input === undefined) return null;
  const { operands, result } = equation;
  const others = operands.filter((_, i) => i !== input).flat();
  const axesWhere = (test: (letter: string) => boolean): number[] =>
    operands[input]!.flatMap((letter, axis) => (letter !== undefined && test(letter) ? [axis] : []));
  const outs = axesWhere((letter) => result.includes(letter) && !others.includes(letter));
  const ins = axesWhere((letter) => !result.includes(letter));
  if (outs.length + ins.length === 0) return null;
  const parameters = Array.from({ length: Math.max(outs.length, ins.length) }, (_, n): ParameterSpec => {
    const role = 'weight';
    return { input, role, ...(n < outs.length && { out: outs[n] }), ...(n < ins.length && { in: ins[n] }) };
  });
  return { kind: 'linear', parameters };
}

/** The product of all letters' sizes, where there is something to multiply. */
function macs(ctx: CostContext): number {
  const equation = equationOf(ctx);
  if (!equation || equation.operands.length < 2) return 0;
  const sizes = new Map<Letter, number>();
  equation.operands.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      if (letter !== undefined) sizes.set(letter, Math.max(sizes.get(letter) ?? 1, ctx.inDims(i)[axis]!));
    });
  });
  const hidden = ctx.outDims(0).filter((_, axis) => equation.result[axis] === undefined);
  return [...sizes.values(), ...hidden].reduce((n, size) => n * size, 1);
}

/** Einsum of any number of operands. */
export const einsumOperators: readonly OperatorRecord[] = [
  {
    domain: '',
    opType: 'Einsum',
    opsets: [12, NEWEST_OPSET],
    infer,
    equations,
    resize: nothing,
    macs,
    overhead: noOverhead,
    layer,
  },
];
