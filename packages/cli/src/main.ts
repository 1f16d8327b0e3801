/**
 * The entry of the command line: builds the program from its verbs, and turns whatever they throw into one readable
 * message and an exit code. It must not do the work of a verb.
 */
import { readFileSync } from 'node:fs';
import { OnnxPruningError } from '@onnx-pruning/onnx';
import { Command, CommanderError } from 'commander';
import { exitCodeOf } from './exit-codes.ts';
import { coloursFor, processTerminal, type Terminal } from './terminal.ts';
import { addEvaluateVerb } from './verbs/evaluate.ts';
import { addPruneVerb } from './verbs/prune.ts';
import { addSensitivityVerb } from './verbs/sensitivity.ts';
import { columnsOf, wrap } from './wrap.ts';

const EXIT_CODES = `
Exit codes:
  0   done
  1   the pruned model does not compute what the original does; nothing was
      written
  2   bad input: a file, a value or an option that cannot be used; nothing was
      written
  70  a mistake of this program
  130, 143  stopped by SIGINT or SIGTERM; nothing was written but what
      --resume keeps`;

/**
 * Runs one command.
 * @param argv arguments after the program's name
 * @returns the exit code: 0 done, 1 the equivalence check failed, 2 bad input, 70 a mistake of this program
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  const asJson = argv.includes('--json');
  try {
    await program(terminal, asJson).parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (thrown) {
    if (asJson) reportAsJson(thrown, terminal);
    else report(thrown, terminal);
    return exitCodeOf(thrown);
  }
}

/** @param isQuiet whether what is wrong with the options is left to whoever catches the error */
function program(terminal: Terminal, isQuiet: boolean): Command {
  const command = new Command('onnx-pruning')
    .description('Makes ONNX models smaller and faster by removing channels, and proves that nothing else changed.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showHelpAfterError(isQuiet ? false : "Try 'onnx-pruning --help' or 'onnx-pruning <command> --help'.")
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      outputError: (text, write) => {
        if (!isQuiet) write(lines(text + modelAsCommand(text), terminal.stderr));
      },
      getOutHelpWidth: () => columnsOf(terminal.stdout),
      getErrHelpWidth: () => columnsOf(terminal.stderr),
    });
  addPruneVerb(command, terminal);
  addEvaluateVerb(command, terminal);
  addSensitivityVerb(command, terminal);
  return command;
}

/** A terminal breaks lines between words; a file or a pipe gets one line. */
function lines(text: string, output: Terminal['stderr']): string {
  return output.isTTY ? wrap(text, columnsOf(output)).join('\n') : text;
}

/** What helps those who give the model at once. */
function modelAsCommand(message: string): string {
  const model = /unknown command '(.+\.(?:onnx|ort|pb))'/i.exec(message)?.[1];
  return model === undefined ? '' : `To prune it: onnx-pruning prune ${model} -o smaller.onnx\n`;
}

function version(): string {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** For programs: `{ "error": { "code", "message", "details" } }` on stderr. */
function reportAsJson(thrown: unknown, { stderr }: Terminal): void {
  const isDone = thrown instanceof CommanderError && thrown.exitCode === 0;
  if (isDone) return;
  const message = (thrown instanceof Error ? thrown.message : String(thrown)).replace(/^error: /, '');
  const known =
    thrown instanceof OnnxPruningError ? { code: thrown.code, message, details: thrown.details } : undefined;
  const error = known ?? { code: thrown instanceof CommanderError ? 'USAGE' : 'INTERNAL', message };
  stderr.write(`${JSON.stringify({ error })}\n`);
}

/** Writes the message of an error to stderr; commander has already written its own. */
function report(thrown: unknown, { stderr, env }: Terminal): void {
  if (thrown instanceof CommanderError) return;
  const { red } = coloursFor(stderr, env);
  if (thrown instanceof OnnxPruningError) {
    stderr.write(`${lines(`${red('error:')} ${thrown.message}`, stderr)}\n`);
    return;
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  stderr.write(`${red('internal error:')} ${message}\n`);
  stderr.write('This is a mistake of onnx-pruning, not yours. Please report it with the command and the model.\n');
}
