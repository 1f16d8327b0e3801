/** Colour and progress are for people: what they depend on. */
import { coloursFor, StatusLine } from '../src/terminal.ts';

const screen = (isTTY: boolean) => {
  const texts: string[] = [];
  return { isTTY, texts, write: (text: string) => texts.push(text) };
};

describe('coloursFor', () => {
  it.each([
    ['a terminal', true, {}, true],
    ['a file or a pipe', false, {}, false],
    ['a terminal with NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['a terminal with an empty NO_COLOR', true, { NO_COLOR: '' }, true],
    ['a dumb terminal', true, { TERM: 'dumb' }, false],
    ['a pipe with FORCE_COLOR', false, { FORCE_COLOR: '1' }, true],
    ['a pipe with FORCE_COLOR=0', false, { FORCE_COLOR: '0' }, false],
    ['FORCE_COLOR against NO_COLOR', false, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('%s', (_, isTTY, env, coloured) => {
    expect(coloursFor(screen(isTTY), env).isColorSupported).toBe(coloured);
  });
});

describe('StatusLine', () => {
  it('overwrites one line of a terminal, and clears it', () => {
    const terminal = screen(true);
    const status = new StatusLine(terminal, true);
    status.show('Pruning');
    status.clear();
    expect(terminal.texts).toEqual(['\r\u001b[2KPruning ...', '\r\u001b[2K']);
  });

  it('is silent in a file, and where it is not wanted', () => {
    for (const [terminal, wanted] of [[screen(false), true] as const, [screen(true), false] as const]) {
      new StatusLine(terminal, wanted).show('Pruning');
      expect(terminal.texts).toEqual([]);
    }
  });
});
