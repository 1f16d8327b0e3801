/** Texts are written together or not at all, and in the place of what a link leads to. */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SaveError, saveTexts } from '../src/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onnx-save-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

test('files appear complete, and replace those that are there', async () => {
  writeFileSync(at('a.txt'), 'before');
  symlinkSync(at('a.txt'), at('link'));
  await saveTexts([
    { path: at('link'), content: 'größer' },
    { path: at('b.txt'), content: '' },
  ]);
  expect(readFileSync(at('a.txt'), 'utf8')).toBe('größer');
  expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(at('b.txt'), 'utf8')).toBe('');
  expect(readdirSync(folder).sort()).toEqual(['a.txt', 'b.txt', 'link']);
});

test('where one cannot be written, none is', async () => {
  writeFileSync(at('a.txt'), 'before');
  mkdirSync(at('taken'));
  const texts = ['a.txt', 'none/b.txt'].map((name) => ({ path: at(name), content: 'after' }));
  await expect(saveTexts(texts)).rejects.toBeInstanceOf(SaveError);
  await expect(
    saveTexts([
      { path: at('a.txt'), content: 'after' },
      { path: at('taken'), content: '' },
    ]),
  ).rejects.toThrow();
  expect(readFileSync(at('a.txt'), 'utf8')).toBe('before');
  expect(readdirSync(folder).sort()).toEqual(['a.txt', 'taken']);
});
