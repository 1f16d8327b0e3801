/** What the exit code of a command says, and which error leads to which. It must not print. */
import { OnnxPruningError } from '@onnx-pruning/onnx';
import { EquivalenceError, InconclusiveError } from '@onnx-pruning/proof';
import { CommanderError } from 'commander';

/** Exit codes of every verb. */
export const ExitCode = Object.freeze({
  done: 0,
  /** The pruned model does not compute what the original does, or the check cannot tell: nothing was written. */
  notEquivalent: 1,
  /** A file, a value or an option that cannot be used. */
  badInput: 2,
  /** A mistake of this program (EX_SOFTWARE of sysexits.h). */
  internal: 70,
});

/** The exit code for whatever a verb threw. */
export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof EquivalenceError || thrown instanceof InconclusiveError) return ExitCode.notEquivalent;
  if (thrown instanceof OnnxPruningError) return ExitCode.badInput;
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? ExitCode.done : ExitCode.badInput;
  return ExitCode.internal;
}
