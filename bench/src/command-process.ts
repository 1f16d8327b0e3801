/**
 * Runs the command `onnx-pruning prune` with its check and without timing, in a process of its own, so that the peak of
 * its memory is its own. Started by measure-engine.ts; prints one line of JSON.
 *
 * Arguments: input file, output file, pruning ratio.
 */
import { main } from '@onnx-pruning/cli';
import { peakMemoryBytes } from './peak-memory.ts';

export interface CommandAnswer {
  /** `holds`, `differs`, `inconclusive`; or what the command said where it came to no verdict. */
  readonly verdict: string;
  readonly peakBytes: number;
}

/** Keeps what is written. */
class Written {
  text = '';
  readonly isTTY = false;

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

const [input = '', output = '', ratio = ''] = process.argv.slice(2);
const [stdout, stderr] = [new Written(), new Written()];
const argv = ['prune', input, '-o', output, '--ratio', ratio, '--force', '--no-bench', '--json'];
await main(argv, { stdout, stderr, env: {} });
const verdict = stdout.text === '' ? stderr.text : (JSON.parse(stdout.text) as { readonly verdict: string }).verdict;
const answer: CommandAnswer = { verdict, peakBytes: peakMemoryBytes() };
process.stdout.write(JSON.stringify(answer));
