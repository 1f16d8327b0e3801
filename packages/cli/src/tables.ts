/** How tables look. It must not know what is in them. */

const INVISIBLE_BORDERS = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`, 'left-mid', 'right-mid', 'mid-mid'])
    .map((part) => [part, '']),
);

/** Columns with two spaces between them, and no lines. */
export const BORDERLESS = {
  chars: { ...INVISIBLE_BORDERS, middle: '  ' },
  style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
};
