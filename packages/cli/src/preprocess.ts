/** `--preprocess`: a preset by its name, or a file with the steps. What the steps may be is said by packages/data. */
import { readFile } from 'node:fs/promises';
import { PRESETS, type Preprocess, type Preset } from '@onnx-pruning/data';
import { OptionError } from '@onnx-pruning/pruning';
import { Option } from 'commander';
import { parsePath } from './parse-values.ts';

/** The option, of commands that take images. @param images what it is about, e.g. `images of --calib` */
export const preprocessOption = (images: string): Option =>
  new Option(
    '--preprocess <how>',
    `what is done to ${images}: ${Object.keys(PRESETS).join(', ')}, or a JSON file with the steps`,
  ).argParser((text) => parsePath(text));

/** @throws OptionError for what is neither */
export async function readPreprocess(text: string): Promise<Preset | Preprocess> {
  if (Object.hasOwn(PRESETS, text)) return text as Preset;
  try {
    return JSON.parse(await readFile(text, 'utf8')) as Preprocess;
  } catch (cause) {
    const details = {
      expected: `${Object.keys(PRESETS).join(', ')}, or a file with JSON such as {"from": "HW", "scale": 0.00392}`,
      actual: `'${text}'`,
      repair: 'Name a preset, or the file in which the steps are declared.',
    };
    throw new OptionError('PREPROCESS', '--preprocess is neither a preset nor a file with steps', details, { cause });
  }
}
