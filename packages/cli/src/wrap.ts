/** Breaks text between words, so that terminals need not break it inside them. It must not change any word. */
import { stripVTControlCharacters } from 'node:util';
import type { Output } from './terminal.ts';

const DEFAULT_COLUMNS = 80;
const FEWEST_COLUMNS = 40;

/** Columns that a text may take: those of the terminal, or 80 where it goes into a file or a pipe. */
export function columnsOf({ columns }: Output): number {
  return Math.max(columns ?? DEFAULT_COLUMNS, FEWEST_COLUMNS);
}

/**
 * The lines of a text, each at most so many columns wide. A word that is longer has a line of its own. Line feeds and
 * spaces at the start of a line are kept; the lines after a break are indented as much as the line that was broken.
 */
export function wrap(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, columns));
}

function wrapLine(line: string, columns: number): string[] {
  const indent = /^ */.exec(line)![0];
  const lines: string[] = [];
  let current = '';
  for (const word of line.slice(indent.length).split(' ')) {
    const longer = current === '' ? indent + word : `${current} ${word}`;
    if (current !== '' && widthOf(longer) > columns) {
      lines.push(current);
      current = indent + word;
    } else current = longer;
  }
  return [...lines, current];
}

/** Columns of a text in a terminal: colours take none. */
const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;
