/**
 * The pruners of Torch-Pruning by the names that its users know. They differ in the criterion that they bring; their
 * regularizers belong to training, which an ONNX file knows nothing of.
 */
import type { Model } from '@onnx-pruning/onnx';
import { BNScaleImportance } from './criteria.ts';
import { GroupMagnitudeImportance } from './importance.ts';
import { BasePruner } from './pruner.ts';
import type { PrunerOptions } from './pruner-options.ts';

/** Options of a pruner that brings a criterion of its own. */
export type PrunerOptionsWithDefault = Omit<PrunerOptions, 'importance'> & Partial<Pick<PrunerOptions, 'importance'>>;

/** BasePruner under the name that it had in the DepGraph paper. */
export const MetaPruner = BasePruner;
/** BasePruner, meant for magnitude criteria. */
export const MagnitudePruner = BasePruner;

/** Prunes by the scales of batch normalization (Liu et al., Network Slimming, ICCV 2017). */
export class BNScalePruner extends BasePruner {
  constructor(model: Model, options: PrunerOptionsWithDefault = {}) {
    super(model, { importance: new BNScaleImportance(), ...options });
  }
}

/** Prunes by the L2 norm of whole groups (Fang et al., DepGraph, CVPR 2023). */
export class GroupNormPruner extends BasePruner {
  constructor(model: Model, options: PrunerOptionsWithDefault = {}) {
    super(model, { importance: new GroupMagnitudeImportance({ p: 2 }), ...options });
  }
}
