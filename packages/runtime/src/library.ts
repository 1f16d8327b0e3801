/**
 * Whether onnxruntime-node is here, and how to get it: it is an optional peer dependency, and everything that does not run
 * models works without it, its types included. It must not load it.
 */
import { createRequire } from 'node:module';
import { RuntimeError } from './errors.ts';

const NAME = 'onnxruntime-node';

/**
 * The command that installs onnxruntime for the CPU, on every platform. The package's own install script would fetch the
 * CUDA libraries on Linux, and fail where it may not; the CPU build needs no script.
 */
export const RUNTIME_INSTALL_COMMAND = 'npm install --ignore-scripts onnxruntime-node@1.30.0';

/** Whether onnxruntime-node is installed where this package finds it. */
export function isRuntimeInstalled(): boolean {
  try {
    locate();
    return true;
  } catch {
    return false;
  }
}

/**
 * internal: the path of the installed onnxruntime-node, for processes that load it themselves.
 * @throws RuntimeError where it is not installed
 */
export function onnxruntimeNodePath(): string {
  try {
    return locate();
  } catch (cause) {
    throw new RuntimeError(
      'RUNTIME_MISSING',
      'onnxruntime-node is not installed, and models are run with it',
      { repair: `Run '${RUNTIME_INSTALL_COMMAND}'.` },
      { cause },
    );
  }
}

const locate = (): string => createRequire(import.meta.url).resolve(NAME);
