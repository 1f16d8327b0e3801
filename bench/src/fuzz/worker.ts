/**
 * A process that tries mutated files, one after the other, as its parent asks for them. It may hang or die: the parent
 * then counts that and starts another.
 */
import { peakMemoryBytes } from '../peak-memory.ts';
import { fuzzCase } from './cases.ts';
import { corpusFolder, readCorpus } from './corpus.ts';
import { type Outcome, tryModel } from './trial.ts';

/** What the parent asks for. */
export interface Request {
  readonly seed: number;
  readonly index: number;
}

export interface Reply {
  readonly index: number;
  readonly file: string;
  readonly kinds: readonly string[];
  readonly outcome: Omit<Outcome, 'written'>;
  readonly milliseconds: number;
  /** Of the process so far. */
  readonly peakBytes: number;
}

const corpus = await readCorpus();
const folder = corpusFolder();

process.on('message', ({ seed, index }: Request) => {
  const { file, kinds, bytes } = fuzzCase(corpus, seed, index);
  const start = performance.now();
  const { written: _, ...outcome } = tryModel(bytes, folder);
  const milliseconds = performance.now() - start;
  process.send?.({ index, file, kinds, outcome, milliseconds, peakBytes: peakMemoryBytes() } satisfies Reply);
});
process.send?.('ready');
