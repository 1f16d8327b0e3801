/**
 * The one place where onnxruntime-node is loaded, and only when a model is to be run. It must not call what it loads.
 */
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import type * as Library from 'onnxruntime-node';
import { messageOf, RuntimeError } from './errors.ts';
import { onnxruntimeNodePath, RUNTIME_INSTALL_COMMAND } from './library.ts';

/**
 * internal: onnxruntime-node.
 * @throws RuntimeError where it is not installed, or does not load on this machine
 */
export function onnxruntime(): typeof Library {
  const path = onnxruntimeNodePath();
  try {
    return createRequire(import.meta.url)(path) as typeof Library;
  } catch (cause) {
    throw new RuntimeError(
      'RUNTIME_BROKEN',
      'onnxruntime-node is installed but does not load',
      {
        actual: messageOf(cause).split('\n')[0],
        expected: `its library for ${platform()} ${arch()}`,
        repair: `Run '${RUNTIME_INSTALL_COMMAND}' on this machine.`,
      },
      { cause },
    );
  }
}
