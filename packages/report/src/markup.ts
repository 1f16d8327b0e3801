/** Text inside markup. It must not know which drawing it is for. */

/** A text as it stands between the tags of SVG and HTML, and in quoted attributes. */
export function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
