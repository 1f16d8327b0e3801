/**
 * How many inputs and outputs a node of each operator may have, so that a node with others is refused before its record is asked
 * about it. The numbers are those of the operator schemas of ONNX 1.23 (`onnx.defs`) and of onnxruntime's contributed operators.
 */
/** At least and at most so many. */
export type Bounds = readonly [least: number, most: number];

export interface Arity {
  readonly inputs: Bounds;
  readonly outputs: Bounds;
  /** Whether the first inputs (all of an unlimited number) have to be there: an empty name will not do. */
  readonly needsAll: boolean;
}

/** Operators of which even those inputs may be absent that the schema counts. */
const MAY_LACK: ReadonlySet<string> = new Set(['Loop', 'Scan', 'Resize']);

/** `inputs -> outputs` of operators for which these never changed: `3` is exactly three, `2-4` two to four, `1+` one or more. */
const UNCHANGED: Readonly<Record<string, string>> = {
  '0 -> 1': 'Constant RandomNormal RandomUniform',
  '1 -> 1': `
    Abs Acos Acosh ArgMax ArgMin Asin Asinh Atan Atanh AveragePool Bernoulli BitwiseNot Cast Ceil Celu
    ConstantOfShape Cos Cosh DepthToSpace Elu Erf Exp EyeLike Flatten Floor Gelu GlobalAveragePool GlobalLpPool
    GlobalMaxPool HardSigmoid HardSwish Hardmax Identity IsInf IsNaN LRN LeakyRelu Log LogSoftmax LpNormalization
    LpPool MeanVarianceNormalization Mish Neg NonZero Not RandomNormalLike RandomUniformLike Reciprocal Relu Round
    Selu Shape Shrink Sigmoid Sign Sin Sinh Size Softmax Softplus Softsign SpaceToDepth Sqrt Swish Tan Tanh
    ThresholdedRelu Transpose com.microsoft::Gelu com.microsoft::QuickGelu`,
  '1 -> 1+': 'If',
  '1 -> 3': 'DynamicQuantizeLinear',
  '1+ -> 1': 'Concat Einsum Max Mean Min Sum',
  '1-10 -> 1-4': 'com.microsoft::MultiHeadAttention',
  '1-2 -> 1': 'com.microsoft::FastGelu',
  '2 -> 1': `
    Add And BitShift BitwiseAnd BitwiseOr BitwiseXor CastLike CumSum Div Equal Expand Gather GatherElements GatherND
    Greater GreaterOrEqual GridSample Less LessOrEqual MatMul Mod Mul Or PRelu Pow RMSNormalization Sub Xor
    com.microsoft::BiasGelu com.microsoft::FusedMatMul`,
  '2 -> 1-2': 'SimplifiedLayerNormalization',
  '2-3 -> 1': 'Conv ConvTranspose DequantizeLinear QuantizeLinear',
  '2-3 -> 1-3': 'LayerNormalization',
  '2-4 -> 1': 'ConvInteger MatMulInteger',
  '2-7 -> 1-2': 'com.microsoft::Attention',
  '3 -> 1': 'GroupNormalization InstanceNormalization OneHot Range Scatter ScatterElements ScatterND Where',
  '3-4 -> 1': 'RotaryEmbedding',
  '3-4 -> 1-4': 'com.microsoft::SkipSimplifiedLayerNormalization',
  '3-5 -> 1-4': 'com.microsoft::SkipLayerNormalization',
  '3-6 -> 0-2': 'RNN',
  '3-8 -> 0-3': 'LSTM',
  '4 -> 1': 'com.microsoft::RotaryEmbedding',
  '8 -> 1': 'QLinearMatMul',
  '8-9 -> 1': 'QLinearConv',
};

/** The same since the opset in front. */
const BY_OPSET: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  Attention: { 23: '3-6 -> 1-4', 24: '3-7 -> 1-4' },
  BatchNormalization: { 1: '5 -> 1-5', 14: '5 -> 1-3' },
  Clip: { 1: '1 -> 1', 11: '1-3 -> 1' },
  Dropout: { 1: '1 -> 1-2', 12: '1-3 -> 1-2' },
  GRU: { 1: '3-6 -> 2', 3: '3-6 -> 0-2' },
  Gemm: { 1: '3 -> 1', 11: '2-3 -> 1' },
  Loop: { 1: '3+ -> 1+', 11: '2+ -> 1+' },
  MaxPool: { 1: '1 -> 1', 8: '1 -> 1-2' },
  Pad: { 1: '1 -> 1', 11: '2-3 -> 1', 18: '2-4 -> 1' },
  ReduceL1: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceL2: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceLogSum: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceLogSumExp: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceMax: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceMean: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceMin: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceProd: { 1: '1 -> 1', 18: '1-2 -> 1' },
  ReduceSum: { 1: '1 -> 1', 13: '1-2 -> 1' },
  ReduceSumSquare: { 1: '1 -> 1', 18: '1-2 -> 1' },
  Reshape: { 1: '1 -> 1', 5: '2 -> 1' },
  Resize: { 10: '2 -> 1', 11: '3-4 -> 1', 13: '1-4 -> 1' },
  Scan: { 8: '2+ -> 1+', 9: '1+ -> 1+' },
  Slice: { 1: '1 -> 1', 10: '3-5 -> 1' },
  Split: { 1: '1-2 -> 1+', 2: '1 -> 1+', 13: '1-2 -> 1+' },
  Squeeze: { 1: '1 -> 1', 13: '1-2 -> 1' },
  Tile: { 1: '3 -> 1', 6: '2 -> 1' },
  TopK: { 1: '1 -> 2', 10: '2 -> 2' },
  Unsqueeze: { 1: '1 -> 1', 13: '2 -> 1' },
  Upsample: { 1: '1 -> 1', 9: '2 -> 1' },
};

const ARITIES = parseAll();

function parseAll(): ReadonlyMap<string, ReadonlyMap<number, Arity>> {
  const all = new Map<string, Map<number, Arity>>();
  for (const [text, operators] of Object.entries(UNCHANGED)) {
    const arity = parse(text, true);
    for (const operator of operators.trim().split(/\s+/)) all.set(operator, new Map([[0, arity]]));
  }
  for (const [operator, versions] of Object.entries(BY_OPSET)) {
    const needsAll = !MAY_LACK.has(operator);
    all.set(operator, new Map(Object.entries(versions).map(([since, text]) => [Number(since), parse(text, needsAll)])));
  }
  return all;
}

function parse(text: string, needsAll: boolean): Arity {
  const [inputs = '', outputs = ''] = text.split(' -> ');
  return { inputs: bounds(inputs), outputs: bounds(outputs), needsAll };
}

function bounds(text: string): Bounds {
  if (text.endsWith('+')) return [Number(text.slice(0, -1)), Number.POSITIVE_INFINITY];
  const [least, most = least] = text.split('-').map(Number) as [number, number?];
  return [least, most];
}

/** How many inputs and outputs nodes of an operator have; undefined for operators that are not listed. */
export function arityOf(domain: string, opType: string, opset: number): Arity | undefined {
  const versions = ARITIES.get(domain === '' || domain === 'ai.onnx' ? opType : `${domain}::${opType}`);
  let found: Arity | undefined;
  for (const [since, arity] of versions ?? []) if (since <= opset) found = arity;
  return found;
}

/** What is wrong with the number of inputs or outputs of a node, as what was expected and what was found. */
export interface ArityProblem {
  readonly expected: string;
  readonly actual: string;
}

/** Checks a node against its operator's arity; undefined where it has as many inputs and outputs as it may. */
export function arityProblem(
  { inputs, outputs, needsAll }: Arity,
  node: { readonly input: readonly string[]; readonly output: readonly string[] },
): ArityProblem | undefined {
  // Names left empty at the end are inputs that are not there.
  const given = node.input.findLastIndex((name) => name !== '') + 1;
  if (given > inputs[1] || node.input.length < inputs[0]) return counted('input', inputs, node.input.length);
  if (node.output.length < outputs[0] || node.output.length > outputs[1]) {
    return counted('output', outputs, node.output.length);
  }
  const needed = Number.isFinite(inputs[1]) ? inputs[0] : node.input.length;
  const absent = needsAll ? node.input.slice(0, needed).indexOf('') : -1;
  return absent < 0 ? undefined : { expected: `a value for input ${absent}`, actual: 'an empty name' };
}

function counted(what: string, [least, most]: Bounds, found: number): ArityProblem {
  const range = least === most ? `${least}` : Number.isFinite(most) ? `${least} to ${most}` : `${least} or more`;
  return { expected: `${range} ${what}${range === '1' ? '' : 's'}`, actual: `${found}` };
}
