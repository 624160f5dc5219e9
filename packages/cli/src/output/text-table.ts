import { type Colour, paint } from './terminal.ts';

/** One cell; a bare string has no colour. */
export type Cell = string | { readonly text: string; readonly colour: Colour };

const GAP = '   ';

/**
 * Columns as wide as their widest cell, headings in capitals, no lines drawn: read by people, cut by `awk`. Empty cells show
 * as `-`, so that columns can be counted. The last column is not padded. Ends with a line break.
 */
export function writeTable(headings: readonly string[], rows: readonly (readonly Cell[])[], coloured: boolean): string {
  const lines: (readonly Cell[])[] = [headings.map((heading) => heading.toUpperCase()), ...rows];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => textOf(line[column]).length)));
  return lines.map((line) => `${writeLine(line, widths, coloured)}\n`).join('');
}

function writeLine(line: readonly Cell[], widths: readonly number[], coloured: boolean): string {
  const cells = widths.map((width, column) => {
    const cell = line[column];
    const text = textOf(cell);
    const padding = column === widths.length - 1 ? '' : ' '.repeat(width - text.length);
    return paint(text, typeof cell === 'object' ? cell.colour : undefined, coloured) + padding;
  });
  return cells.join(GAP);
}

/** On one line, whatever a peer put into it. */
function textOf(cell: Cell | undefined): string {
  const text = (typeof cell === 'object' ? cell.text : (cell ?? '')).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
  return text === '' ? '-' : text;
}
