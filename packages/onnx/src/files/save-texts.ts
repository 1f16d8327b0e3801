/** Texts to files, all of them or none, as `saveModel` writes models. It must not know what is in them. */
import { checkArguments, kinds, listOf } from '../arguments.ts';
import { writeAtomically } from './atomic-write.ts';
import { type FileAlongside, targetOf, writeError } from './save.ts';

/**
 * Writes files, complete and together, in the place of those that are there.
 * @throws SaveError when one cannot be written; all are as they were then
 */
export async function saveTexts(texts: readonly FileAlongside[]): Promise<void> {
  checkArguments('saveTexts', { texts: [texts, listOf(kinds.object)] });
  const files = texts.map(({ path, content }) => ({
    path: targetOf(path),
    chunks: [new TextEncoder().encode(content)],
  }));
  const [first] = files;
  if (first === undefined) return;
  try {
    await writeAtomically(first.path, files);
  } catch (cause) {
    throw writeError(first.path, files, cause);
  }
}
