/** Every operator that has a record, of ai.onnx and of com.microsoft: the list that is handed to a registry. No rules live here. */
import type { OperatorRecord } from './record.ts';
import { activationOperators } from './records/activation.ts';
import { arithmeticOperators } from './records/arithmetic.ts';
import { attentionOperators } from './records/attention.ts';
import { castOperators } from './records/cast.ts';
import { concatOperators } from './records/concat.ts';
import { controlFlowOperators } from './records/control-flow.ts';
import { convOperators } from './records/conv.ts';
import { einsumOperators } from './records/einsum.ts';
import { expandOperators } from './records/expand.ts';
import { fusedOperators } from './records/fused.ts';
import { gatherOperators } from './records/gather.ts';
import { generatorOperators } from './records/generator.ts';
import { gridSampleOperators } from './records/grid-sample.ts';
import { layoutOperators } from './records/layout.ts';
import { linearOperators } from './records/linear.ts';
import { multiHeadAttentionOperators } from './records/multi-head-attention.ts';
import { normalizationOperators } from './records/normalization.ts';
import { padOperators } from './records/pad.ts';
import { poolingOperators } from './records/pooling.ts';
import { preluOperators } from './records/prelu.ts';
import { quantizationOperators } from './records/quantization.ts';
import { recurrentOperators } from './records/recurrent.ts';
import { reduceOperators } from './records/reduce.ts';
import { reshapeOperators } from './records/reshape.ts';
import { resizeOperators } from './records/resize.ts';
import { rotaryOperators } from './records/rotary-embedding.ts';
import { shapeOperators } from './records/shape.ts';
import { sliceOperators } from './records/slice.ts';
import { softmaxOperators } from './records/softmax.ts';

/** The records of all operators that the engine knows. */
export const standardOperators: readonly OperatorRecord[] = [
  ...activationOperators,
  ...arithmeticOperators,
  ...castOperators,
  ...concatOperators,
  ...controlFlowOperators,
  ...convOperators,
  ...expandOperators,
  ...gatherOperators,
  ...generatorOperators,
  ...gridSampleOperators,
  ...layoutOperators,
  ...linearOperators,
  ...normalizationOperators,
  ...padOperators,
  ...poolingOperators,
  ...preluOperators,
  ...quantizationOperators,
  ...recurrentOperators,
  ...reduceOperators,
  ...reshapeOperators,
  ...resizeOperators,
  ...shapeOperators,
  ...sliceOperators,
  ...softmaxOperators,
  ...attentionOperators,
  ...einsumOperators,
  ...fusedOperators,
  ...multiHeadAttentionOperators,
  ...rotaryOperators,
];
