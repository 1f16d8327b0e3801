/**
 * Where a command writes: results to stdout, everything else to stderr. Decides about colour and progress, so that
 * output that goes into a file or a pipe is plain text. It knows no verb.
 */
import picocolors from 'picocolors';

export type Colours = ReturnType<typeof picocolors.createColors>;

/** The part of a stream that commands use. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Width of a terminal. */
  readonly columns?: number;
}

/** What a command may know of the world it writes to. */
export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The terminal of this process. A reader that stops reading (`| head`) is no error. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return { stdout: process.stdout, stderr: process.stderr, env: process.env };
}

/** Colours for an output: none in files, pipes and dumb terminals, or where NO_COLOR is set (https://no-color.org). */
export function coloursFor(output: Output, env: Terminal['env']): Colours {
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
  const wanted = forced || (output.isTTY === true && env.TERM !== 'dumb');
  return picocolors.createColors(wanted && !env.NO_COLOR);
}

const ERASE_LINE = '\r\u001b[2K';

/** One line that says what is going on, overwritten by the next; silent unless a person watches. */
export class StatusLine {
  readonly #output: Output;
  readonly #active: boolean;

  constructor(output: Output, wanted: boolean) {
    this.#output = output;
    this.#active = wanted && output.isTTY === true;
  }

  show(text: string): void {
    if (this.#active) this.#output.write(`${ERASE_LINE}${text} ...`);
  }

  clear(): void {
    if (this.#active) this.#output.write(ERASE_LINE);
  }
}
