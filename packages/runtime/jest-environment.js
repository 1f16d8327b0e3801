/**
 * jest runs tests in a context of its own, with typed arrays of its own, while onnxruntime-node's native code returns
 * those of the main context and refuses to mix them. This environment lends the main context's typed arrays to the
 * tests. It must not change anything else.
 */
import { TestEnvironment } from 'jest-environment-node';

const typedArrays = [
  Float32Array,
  Float64Array,
  Int8Array,
  Int16Array,
  Int32Array,
  Uint8Array,
  Uint8ClampedArray,
  Uint16Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
];

export default class OnnxRuntimeEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    for (const typedArray of typedArrays) this.global[typedArray.name] = typedArray;
  }
}
