/** A digest of samples: what says that two runs have seen the same. It must not keep them. */
import { sha256 } from '@onnx-pruning/onnx';
import type { TensorValues } from '@onnx-pruning/runtime';

const UTF8 = new TextEncoder();

/** SHA-256 over names, types, dimensions and numbers of batches, in order. */
export class DataDigest {
  readonly #digest = sha256();

  /** Adds a batch. */
  add(batch: TensorValues): void {
    for (const [name, { dataType, dims, data }] of Object.entries(batch)) {
      this.#digest.update(UTF8.encode(JSON.stringify([name, dataType, dims])));
      this.#digest.update(
        ArrayBuffer.isView(data)
          ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
          : UTF8.encode(JSON.stringify(data)),
      );
    }
  }

  /** The digest of all that was added; nothing is added after it. */
  text(): string {
    return `sha256:${this.#digest.hex()}`;
  }
}
