/** Further criteria built on group magnitude: network slimming, LAMP, geometric median, random. */
import { GROUP, type Group } from '@onnx-pruning/depgraph';
import {
  checkArgument,
  checkOptions,
  createRandom,
  kinds,
  OnnxPruningError,
  type Random,
  readNumbers,
  type TensorProto,
  tensorDims,
} from '@onnx-pruning/onnx';
import { PairwiseDistances } from './distances.ts';
import { GroupMagnitudeImportance, type MagnitudeOptions, type ParameterScores } from './importance.ts';

/** A criterion that needs something which the model does not have. */
export class CriterionError extends OnnxPruningError {}

/**
 * Scales of batch normalization, absolute (Liu et al., Learning Efficient Convolutional Networks through Network
 * Slimming, ICCV 2017).
 */
export class BNScaleImportance extends GroupMagnitudeImportance {
  constructor(options: Pick<MagnitudeOptions, 'groupReduction' | 'normalizer'> = {}) {
    super({ ...options, p: 1, bias: false, targetTypes: ['batchnorm'] });
  }

  /**
   * @returns one score per root channel; undefined when this group has no batch normalization
   * @throws CriterionError when the model has none at all
   */
  override score(group: Group): Float32Array | undefined {
    checkArgument('score', 'group', group, GROUP);
    if (group.graph.layers.some((layer) => layer.spec.kind === 'batchnorm')) return super.score(group);
    throw new CriterionError(
      'NO_BATCHNORM',
      'BNScaleImportance reads the scales of BatchNormalization, and this model has none',
      {
        expected: 'BatchNormalization nodes',
        actual: 'none: exporters fold them into the convolutions by default',
        repair: 'Export with BatchNormalization kept (torch.onnx: training=PRESERVE), or use GroupMagnitudeImportance.',
      },
    );
  }
}

/** Layer-adaptive magnitude (Lee et al., Layer-adaptive Sparsity for the Magnitude-based Pruning, ICLR 2021). */
export class LAMPImportance extends GroupMagnitudeImportance {
  constructor(options: Omit<MagnitudeOptions, 'normalizer'> = {}) {
    super({ ...options, normalizer: 'lamp' });
  }
}

/**
 * Distance to the other filters: filters near the geometric median are replaceable (He et al., Filter Pruning via
 * Geometric Median, CVPR 2019). As in Torch-Pruning, distances are taken between |w|^p and only convolutions and
 * fully connected layers count.
 */
export class FPGMImportance extends GroupMagnitudeImportance {
  readonly #distances = new PairwiseDistances();

  constructor(options: Omit<MagnitudeOptions, 'bias' | 'targetTypes'> = {}) {
    super({ ...options, bias: false, targetTypes: ['conv', 'convTranspose', 'linear'] });
  }

  protected override parameterScores(tensor: TensorProto, axis: number, idxs: Int32Array): ParameterScores {
    return { scores: this.#distances.sums(filtersOf(tensor, axis, idxs, this.p), idxs.length) };
  }
}

/** Rows of |w|^p, one for each index along `axis`. */
function filtersOf(tensor: TensorProto, axis: number, idxs: Int32Array, p: number): Float32Array {
  const data = readNumbers(tensor);
  const dims = tensorDims(tensor);
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const rows = new Float32Array(idxs.length * outer * inner);
  let at = 0;
  for (const index of idxs) {
    for (let o = 0; o < outer; o++) {
      const from = (o * dims[axis] + index) * inner;
      for (let k = from; k < from + inner; k++) rows[at++] = p === 2 ? data[k] * data[k] : Math.abs(data[k]) ** p;
    }
  }
  return rows;
}

/** Uniform random scores from a seed: the baseline that every criterion has to beat. */
export class RandomImportance {
  readonly #random: Random;

  constructor(options: { readonly seed?: number } = {}) {
    checkOptions('RandomImportance', options, { seed: kinds.number });
    this.#random = createRandom(options.seed ?? 0);
  }

  /** One score in [0, 1) per root channel. */
  score(group: Group): Float32Array {
    checkArgument('score', 'group', group, GROUP);
    return Float32Array.from(group.idxs, () => this.#random.next());
  }
}
