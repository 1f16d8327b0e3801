/** The public API of @onnx-pruning/cli: the command line as a function. */
export { ExitCode } from './exit-codes.ts';
export { main } from './main.ts';
export { exitOnSignals } from './signals.ts';
export type { Output, Terminal } from './terminal.ts';
