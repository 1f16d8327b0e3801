/**
 * The functions by which users of Torch-Pruning say what to prune: a kind of layer and a side. Handed to
 * getPruningGroup they name the root of a group; called, they prune one layer alone.
 */
import type { Layer } from '@onnx-pruning/onnx';
import type { LayerKind } from '@onnx-pruning/ops';
import { LayerError, type PrunableLayer, type PruningTarget, type Side } from '../layers/layers.ts';
import { pruneLayerAlone } from './single-layer.ts';

/**
 * Which channels of which kinds of layers. Called with a layer and indices it prunes that layer alone, which leaves its
 * neighbours as they are: `findBrokenNodes` says which no longer fit. Groups keep a model whole.
 */
export interface PruningFunction extends PruningTarget {
  (layer: Layer, idxs: readonly number[]): Layer;
}

function define(name: string, side: Side, ...kinds: LayerKind[]): PruningFunction {
  const prune = (layer: Layer, idxs: readonly number[]): Layer => pruneLayerAlone(layer, fn, idxs);
  Object.defineProperty(prune, 'name', { value: name });
  const fn: PruningFunction = Object.freeze(Object.assign(prune, { kinds, side }));
  return fn;
}

/** Output channels of a convolution; of a depthwise convolution, its channels. */
export const pruneConvOutChannels = define('pruneConvOutChannels', 'out', 'conv', 'depthwiseConv');
/** Input channels of a convolution. */
export const pruneConvInChannels = define('pruneConvInChannels', 'in', 'conv');
/** Channels of a depthwise convolution (inputs and outputs are the same). */
export const pruneDepthwiseConvOutChannels = define('pruneDepthwiseConvOutChannels', 'out', 'depthwiseConv');
/** Output channels of a transposed convolution. */
export const pruneConvTransposeOutChannels = define('pruneConvTransposeOutChannels', 'out', 'convTranspose');
/** Input channels of a transposed convolution. */
export const pruneConvTransposeInChannels = define('pruneConvTransposeInChannels', 'in', 'convTranspose');
/** Output features of a fully connected layer (Gemm, or MatMul with a constant). */
export const pruneLinearOutChannels = define('pruneLinearOutChannels', 'out', 'linear');
/** Input features of a fully connected layer. */
export const pruneLinearInChannels = define('pruneLinearInChannels', 'in', 'linear');
/** Channels of a batch normalization. */
export const pruneBatchnormOutChannels = define('pruneBatchnormOutChannels', 'out', 'batchnorm');
/** Features of a layer normalization. */
export const pruneLayernormOutChannels = define('pruneLayernormOutChannels', 'out', 'layernorm');
/** Channels of a group normalization. */
export const pruneGroupnormOutChannels = define('pruneGroupnormOutChannels', 'out', 'groupnorm');
/** Channels of an instance normalization. */
export const pruneInstancenormOutChannels = define('pruneInstancenormOutChannels', 'out', 'instancenorm');
/** Channels of a PRelu with a slope per channel. */
export const prunePreluOutChannels = define('prunePreluOutChannels', 'out', 'prelu');
/** Features of an embedding table. */
export const pruneEmbeddingOutChannels = define('pruneEmbeddingOutChannels', 'out', 'embedding');
/** Hidden units of an LSTM. */
export const pruneLstmOutChannels = define('pruneLstmOutChannels', 'out', 'lstm');
/** Input features of an LSTM. */
export const pruneLstmInChannels = define('pruneLstmInChannels', 'in', 'lstm');
/** Hidden units of a GRU. */
export const pruneGruOutChannels = define('pruneGruOutChannels', 'out', 'gru');
/** Input features of a GRU. */
export const pruneGruInChannels = define('pruneGruInChannels', 'in', 'gru');
/** Hidden units of a plain recurrent layer. */
export const pruneRnnOutChannels = define('pruneRnnOutChannels', 'out', 'rnn');
/** Input features of a plain recurrent layer. */
export const pruneRnnInChannels = define('pruneRnnInChannels', 'in', 'rnn');
/** Features of a fused attention layer. */
export const pruneAttentionOutChannels = define('pruneAttentionOutChannels', 'out', 'attention');
/** Input features of a fused attention layer. */
export const pruneAttentionInChannels = define('pruneAttentionInChannels', 'in', 'attention');
/** A bare parameter that is added or multiplied along its channel axis. */
export const pruneParameterOutChannels = define('pruneParameterOutChannels', 'out', 'parameter');

// Where inputs and outputs are the same channels, Torch-Pruning has a second name for the same thing.
/** The channels of a depthwise convolution, by their other name. */
export const pruneDepthwiseConvInChannels = pruneDepthwiseConvOutChannels;
/** The channels of a batch normalization, by their other name. */
export const pruneBatchnormInChannels = pruneBatchnormOutChannels;
/** The features of a layer normalization, by their other name. */
export const pruneLayernormInChannels = pruneLayernormOutChannels;
/** The channels of a group normalization, by their other name. */
export const pruneGroupnormInChannels = pruneGroupnormOutChannels;
/** The channels of an instance normalization, by their other name. */
export const pruneInstancenormInChannels = pruneInstancenormOutChannels;
/** The channels of a PRelu, by their other name. */
export const prunePreluInChannels = prunePreluOutChannels;
/** The features of an embedding table, by their other name. */
export const pruneEmbeddingInChannels = pruneEmbeddingOutChannels;
/** The channels of a bare parameter, by their other name. */
export const pruneParameterInChannels = pruneParameterOutChannels;

/** Every pruning function, in the order in which `pruningFunctionFor` prefers them. */
export const pruningFunctions: readonly PruningFunction[] = Object.freeze([
  pruneDepthwiseConvOutChannels,
  pruneConvOutChannels,
  pruneConvInChannels,
  pruneConvTransposeOutChannels,
  pruneConvTransposeInChannels,
  pruneLinearOutChannels,
  pruneLinearInChannels,
  pruneBatchnormOutChannels,
  pruneLayernormOutChannels,
  pruneGroupnormOutChannels,
  pruneInstancenormOutChannels,
  prunePreluOutChannels,
  pruneEmbeddingOutChannels,
  pruneLstmOutChannels,
  pruneLstmInChannels,
  pruneGruOutChannels,
  pruneGruInChannels,
  pruneRnnOutChannels,
  pruneRnnInChannels,
  pruneAttentionOutChannels,
  pruneAttentionInChannels,
  pruneParameterOutChannels,
]);

/** The function that prunes one side of a layer. */
export function pruningFunctionFor(layer: PrunableLayer, side: Side): PruningFunction {
  const found = pruningFunctions.find((fn) => fn.side === side && fn.kinds.includes(layer.spec.kind));
  if (found) return found;
  throw new LayerError('LAYER_SIDE', `a layer of kind ${layer.spec.kind} has no ${side}put channels of its own`, {
    node: layer.name,
    operator: layer.node.opType,
    repair: `Prune its ${side === 'in' ? 'out' : 'in'}put channels, or a layer next to it.`,
  });
}
