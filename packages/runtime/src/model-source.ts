/**
 * Brings a model into a form that onnxruntime loads: bytes, or a file where bytes cannot carry it. It must not change
 * the model, and leaves nothing behind once `dispose` was called.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { byteLength, encodeModel, Model, saveModel, tensorSize } from '@onnx-pruning/onnx';

/** A model in memory, the bytes of an ONNX file, or the path of one. */
export type ModelSource = Model | Uint8Array | string;

/** What onnxruntime is given. */
export interface PreparedModel {
  readonly source: Uint8Array | string;
  /** Deletes temporary files, if any were needed. */
  dispose(): Promise<void>;
}

/** Above this many bytes of weights a model goes through files: protobuf ends at 2 GiB. */
export const LARGEST_IN_BYTES = 2 ** 31 - 2 ** 26;

/**
 * @param largest bytes of weights above which a model in memory goes through a temporary folder
 * @throws SaveError when the temporary folder cannot be written
 */
export async function prepareModel(model: ModelSource, largest = LARGEST_IN_BYTES): Promise<PreparedModel> {
  if (!(model instanceof Model)) return { source: model, dispose: async () => {} };
  if (weightBytes(model) <= largest) return { source: encodeModel(model), dispose: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), 'onnx-pruning-'));
  const dispose = () => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  try {
    const path = join(folder, 'model.onnx');
    await saveModel(model, path, { externalData: true });
    return { source: path, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function weightBytes({ graph }: Model): number {
  return graph.initializer.reduce((sum, tensor) => sum + byteLength(tensor.dataType, tensorSize(tensor)), 0);
}
