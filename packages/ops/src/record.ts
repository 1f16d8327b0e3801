/**
 * The contract of one operator: what every record states, and what the engine offers it to state it with.
 *
 * A record is data plus small pure functions. It knows its operator's ONNX specification and nothing else: no other
 * operator, no model, no pruning policy. All fields are required, so an operator that forgot one does not compile.
 */
import type { NodeProto, TensorProto } from '@onnx-pruning/onnx';
import type { Algebra } from './algebra.ts';

/** Size of one axis: a number, or a symbol such as `batch` or `2*h*w` where the size is only known at run time. */
export type Dim = number | string;

/**
 * What is known of one value before running the model.
 * `dims` is undefined where not even the rank is known. `value` holds the elements (row-major) of a small tensor
 * that shape arithmetic can fold; an element is a number, a symbol, or undefined where it is not known.
 */
export interface ValueInfo {
  /** A member of `DataType`. */
  readonly elemType: number;
  /**
   * A size for each axis: a number, or a symbol that stands for one size wherever it appears; undefined where not even
   * the rank is known.
   */
  readonly dims?: readonly Dim[];
  /** Its elements, row-major, where shape arithmetic may need them. */
  readonly value?: readonly (Dim | undefined)[];
}

/** What a record may ask about the node it describes. Inputs that are absent (empty name) read as undefined. */
export interface NodeView {
  /** The node as the file has it. */
  readonly node: NodeProto;
  /** Opset of the node's domain. */
  readonly opset: number;
  /** What is known of each input, in order; undefined where nothing is, or the input is absent. */
  readonly inputs: readonly (ValueInfo | undefined)[];
  /** The tensor behind input `i` when it is an initializer or a Constant node; undefined otherwise. */
  constant(i: number): TensorProto | undefined;
  /** An integer attribute, or the fallback where it is absent. */
  int(name: string, fallback: number): number;
  /** An attribute that is a list of integers; undefined where it is absent. */
  ints(name: string): number[] | undefined;
  /** A float attribute, or the fallback where it is absent. */
  float(name: string, fallback: number): number;
  /** A text attribute, or the fallback where it is absent. */
  string(name: string, fallback: string): string;
  /** Whether the node has an attribute of this name. */
  has(name: string): boolean;
}

export interface InferContext extends NodeView {
  /** Dimensions of input `i`, or undefined when unknown or absent. */
  dims(i: number): readonly Dim[] | undefined;
  /** A new symbol for a size that only the run decides. */
  symbol(hint: string): string;
  /** Throws a ShapeError that names the node: the model contradicts the operator's specification. */
  fail(expected: string, found: string): never;
}

/**
 * How a free dimension is meant. `group` marks the outer factor of a grouped axis (groups of a convolution, attention
 * heads): it is not offered for pruning by default, its inner factor is.
 */
export type TermRole = 'channel' | 'group';

/** Opaque handle of a dim term; `size` is the number of channels it stands for now. */
export interface Term {
  /** Channels it stands for now: fewer once some were pruned, a symbol where only the run decides. */
  readonly size: Dim;
}

/** Terms of one value, one per axis. */
export type Axes = readonly Term[];

/**
 * What a record states its equations with. Shapes are known here: the engine does not call `equations` on a node with
 * an input or output of unknown rank, and freezes all its axes instead.
 */
export interface EquationContext extends NodeView {
  /** Known outputs (after inference). */
  readonly outputs: readonly (ValueInfo | undefined)[];
  /** Terms of input `i`; an absent input has none (empty array). */
  in(i: number): Axes;
  /** Terms of output `i`: fresh leaves, one per axis (already fixed where the size is symbolic). Empty when absent. */
  out(i: number): Axes;
  /** States that two axes hold the same channels in the same order. */
  equal(a: Term, b: Term): void;
  /** The channels of `parts`, one after the other. */
  sum(parts: readonly Term[]): Term;
  /** Axes merged in row-major order: the last factor varies fastest. */
  product(factors: readonly Term[]): Term;
  /** A new free dimension. */
  leaf(size: Dim, role?: TermRole): Term;
  /** A dimension that may not change. */
  fixed(size: Dim, reason: string): Term;
  /** Forbids any change of the term. `reason` reads after "because": e.g. "LRN sums over neighbouring channels". */
  freeze(term: Term, reason: string): void;
  /** Input `input` is summed over its axis `axis`: channels that are zero contribute nothing (exact). */
  consumes(input: number, axis: number): void;
  /**
   * The node computes a statistic over axis `axis` of input `input` (mean, softmax, normalisation): removing channels
   * changes it. Pruning stays valid but inexact, and the equivalence check evaluates the node on the kept channels only.
   */
  mixes(input: number, axis: number, statistic: string): void;
  /** As `mixes`, where the result says what share of a whole every channel has, as a softmax does. */
  distributes(input: number, axis: number, statistic: string): void;
}

/** What a size-bearing node looks like before and after pruning; the record rewrites its sizes. */
export interface ResizeContext extends NodeView {
  /** A copy of the node: the record writes new sizes into its attributes. */
  readonly node: NodeProto;
  /** Dimensions before and after, with symbols where they are symbolic. */
  oldIn(i: number): readonly Dim[];
  /** As `oldIn`, after pruning. */
  newIn(i: number): readonly Dim[];
  /** Dimensions of output `i` before pruning. */
  oldOut(i: number): readonly Dim[];
  /** As `oldOut`, after pruning. */
  newOut(i: number): readonly Dim[];
  /** Old indices that survive along an axis, ascending; undefined when all survive. */
  keptIn(i: number, axis: number): Int32Array | undefined;
  /** As `keptIn`, of output `i`. */
  keptOut(i: number, axis: number): Int32Array | undefined;
  /** Sets an integer attribute. */
  setInt(name: string, value: number): void;
  /** Sets a float attribute. */
  setFloat(name: string, value: number): void;
  /** Sets an attribute that is a list of integers. */
  setInts(name: string, values: readonly number[]): void;
  /**
   * Makes integer input `i` (1-D, or a scalar) evaluate to `values`. Undefined leaves that element as it is.
   * The engine decides how: nothing to do when it already follows at run time, a new constant, or a patched Concat.
   */
  setInput(i: number, values: readonly (Dim | undefined)[]): void;
  /**
   * Replaces constant input `i` altogether by integers with these dimensions (of the same element type). Where the node
   * has no input `i`, it gets one (int64); inputs between stay absent.
   */
  replaceConstant(i: number, values: readonly number[], dims: readonly number[]): void;
  /** Takes an attribute away, where the new sizes are stated by something else. */
  removeAttribute(name: string): void;
}

/** Dimensions are concrete numbers here. */
export interface CostContext extends NodeView {
  /** Dimensions of input `i`. */
  inDims(i: number): readonly number[];
  /** Dimensions of output `i`. */
  outDims(i: number): readonly number[];
}

/** What the cost of a node may depend on besides the node itself. */
export interface ModuleContext extends CostContext {
  /** The node that computes input `i`; undefined for graph inputs and initializers. */
  producer(i: number): ModuleView | undefined;
}

/** A node that computes an input of another. */
export interface ModuleView extends NodeView {
  /** Whether it is a layer of this kind. */
  isLayer(kind: LayerKind): boolean;
}

/** The kinds of layers that have a name in the pruning API (pruneConvOutChannels, pruneLinearInChannels, ...). */
export const LAYER_KINDS = [
  'conv',
  'depthwiseConv',
  'convTranspose',
  'linear',
  'batchnorm',
  'layernorm',
  'groupnorm',
  'instancenorm',
  'prelu',
  'embedding',
  'lstm',
  'gru',
  'rnn',
  'attention',
  'parameter',
] as const;

export type LayerKind = (typeof LAYER_KINDS)[number];

/** Which role a parameter input plays, and which of its axes are output or input channels of the layer. */
export interface ParameterSpec {
  /** Index among the inputs of the node. */
  readonly input: number;
  /**
   * `weight` and `bias` are learned and scored; a `statistic` (running mean, variance) loses its channels with the
   * others.
   */
  readonly role: 'weight' | 'bias' | 'statistic';
  /** Axis of the layer's output channels, if the parameter has them. */
  readonly out?: number;
  /** Axis of the layer's input channels, if the parameter has them. */
  readonly in?: number;
}

export interface LayerSpec {
  /** By which pruning functions and criteria select it. */
  readonly kind: LayerKind;
  /** Inputs that are its parameters; none where the layer has only activations. */
  readonly parameters: readonly ParameterSpec[];
}

/** One operator over a range of opsets of its domain. */
export interface OperatorRecord {
  /** '' is ai.onnx. */
  readonly domain: string;
  /** As ONNX spells it, such as `Conv`. */
  readonly opType: string;
  /** First and last opset this record is right for. */
  readonly opsets: readonly [number, number];
  /** Types and shapes of the outputs, one entry per output of the node. `{ elemType }` alone when the rank is unknown. */
  infer(ctx: InferContext): readonly ValueInfo[];
  /** Equations between the terms of inputs, parameters and outputs. */
  equations(ctx: EquationContext): void;
  /**
   * Why nothing that passes through this operator is pruned, where that is so whatever the shapes: said also where they
   * are not known. Records that state equations leave it out.
   */
  readonly refusal?: string;
  /** Rewrites sizes stated by attributes or constant inputs. `nothing` when the operator states none. */
  resize(ctx: ResizeContext): void;
  /** Multiply-accumulates of convolutions and matrix products; 0 for everything else. */
  macs(ctx: CostContext): number;
  /**
   * What Torch-Pruning's counter charges for the node besides multiply-accumulates: biases, normalizations,
   * activations, pooling (see overhead.ts). 0 where it charges nothing.
   */
  overhead(ctx: ModuleContext): number;
  /** The layer this node is to a user, or null when it has no parameters of its own. */
  layer(view: NodeView): LayerSpec | null;
  /**
   * What the node computes, as far as fits of weights must know it. Records of operators that are neither linear in a weight
   * nor looked through leave it out: nothing is fitted to what lies behind them.
   */
  algebra?(view: NodeView): Algebra | null;
}

/** For records with no sizes to rewrite. */
export const nothing = (): void => {};
/** For records without multiply-accumulates. */
export const noMacs = (): number => 0;
/** For records that Torch-Pruning charges nothing for. */
export const noOverhead = (): number => 0;
/** For records without parameters. */
export const noLayer = (): null => null;
