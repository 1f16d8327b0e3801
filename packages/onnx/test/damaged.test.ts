import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkModel,
  createRandom,
  encodeModel,
  OnnxPruningError,
  parseModel,
  printModel,
  withContent,
} from '../src/index.ts';

const tiny = readFileSync(join(__dirname, 'data', 'tiny-densenet-folded.onnx'));

/** The model with its weights left out: nearly every byte of it is structure. */
function structureOnly(): Uint8Array {
  const model = parseModel(tiny);
  model.graph.initializer = model.graph.initializer.map((tensor) => withContent(tensor, [0], new Uint8Array()));
  return encodeModel(model);
}

describe('a file in which some bytes are wrong', () => {
  it('is read or refused with an error of ours, whichever bytes they are', () => {
    const bytes = structureOnly();
    const random = createRandom(11);
    const outcomes = { read: 0, refused: 0 };
    for (let round = 0; round < 3000; round++) {
      const damaged = bytes.slice();
      for (let i = 0; i <= random.int(4); i++) damaged[random.int(damaged.length)] = random.int(256);
      try {
        const model = parseModel(damaged);
        checkModel(model);
        printModel(model);
        // What can be read is kept, however strange it is.
        const kept = encodeModel(model);
        expect(Buffer.compare(encodeModel(parseModel(kept)), kept)).toBe(0);
        outcomes.read++;
      } catch (error) {
        if (!(error instanceof OnnxPruningError)) throw error;
        outcomes.refused++;
      }
    }
    expect(outcomes.read).toBeGreaterThan(50);
    expect(outcomes.refused).toBeGreaterThan(50);
  });
});
