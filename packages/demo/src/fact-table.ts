import type { Fact, Finding } from './facts/fact.ts';

const WIDTH = 160;

/** The facts as lines of a table; long cells go on below. */
export function writeTable(rows: readonly (Fact & Finding)[]): string[] {
  const cells = [
    ['fact', 'expected', 'measured', ''],
    ...rows.map(({ name, expected, measured, ok }) => [name, expected, measured, ok ? 'ok' : 'FAILED']),
  ];
  const [first, second] = [widest(cells, 0, 50), widest(cells, 1, 40)];
  const widths = [first, second, WIDTH - first - second - 6 - 6, 6];
  const lines = cells.flatMap((row) => writeRow(row, widths));
  return [lines[0]!, widths.map((width) => '-'.repeat(width)).join('  '), ...lines.slice(1)];
}

function writeRow(row: readonly string[], widths: readonly number[]): string[] {
  const columns = row.map((text, index) => wrap(text, widths[index]!));
  const height = Math.max(...columns.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) =>
    columns
      .map((column, index) => (column[line] ?? '').padEnd(widths[index]!))
      .join('  ')
      .trimEnd(),
  );
}

/** Words in lines of at most `width`; a longer word has a line of its own, cut. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

function widest(cells: readonly (readonly string[])[], column: number, most: number): number {
  return Math.min(most, Math.max(...cells.map((row) => row[column]!.length)));
}
