/** What happens when a command is stopped: its temporary files go, and it ends with the exit code that shells expect. */
import { constants } from 'node:os';
import { discardTemporaries } from '@onnx-pruning/onnx';

const STOPPED_BY = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * From now on, a signal ends the process with 128 and its number: 130 for SIGINT, 143 for SIGTERM. What a run writes is
 * put in its place in one go, so a signal comes before or after that.
 */
export function exitOnSignals(): void {
  for (const signal of STOPPED_BY) {
    process.once(signal, () => {
      discardTemporaries();
      process.exit(128 + constants.signals[signal]);
    });
  }
}
