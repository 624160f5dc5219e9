/** Figures as a table for people. */
import type { Figure, SubjectName } from './figure.ts';
import { peerNames } from './figure.ts';

export interface Colours {
  readonly enabled: boolean;
}

const codes = { goal: 32, must: 33, no: 31, dim: 2, bold: 1 };

export function writeReport(
  figures: readonly { figure: Figure; notes: readonly string[] }[],
  colours: Colours,
): string {
  const paint = (text: string, code: number): string => (colours.enabled ? `\u001b[${code}m${text}\u001b[0m` : text);
  const subjects: SubjectName[] = ['weft', ...peerNames].filter((name) =>
    figures.some(({ figure }) => figure.values[name as SubjectName] !== undefined),
  ) as SubjectName[];
  const header = ['measure', 'unit', ...subjects, 'must', 'goal', 'met'];
  const rows = figures.map(({ figure }) => [
    figure.name,
    figure.unit,
    ...subjects.map((name) => valueText(figure, name)),
    limitText(figure.must),
    limitText(figure.goal),
    hasLimits(figure) ? figure.met : '-',
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  const lines = [paint(lineOf(header), codes.bold)];
  for (const [index, row] of rows.entries()) {
    const { figure, notes } = figures[index]!;
    lines.push(hasLimits(figure) ? paintLast(lineOf(row), figure.met, paint) : lineOf(row));
    for (const [peer, { median, min, max }] of Object.entries(figure.ratios)) {
      lines.push(paint(`    weft is ${median} x ${peer} (${min} to ${max} over the rounds)`, codes.dim));
    }
    for (const note of notes) lines.push(paint(`    ${note}`, codes.dim));
    if (figure.absent.length > 0) lines.push(paint(`    absent: ${figure.absent.join(', ')}`, codes.dim));
  }
  return lines.join('\n');
}

function paintLast(line: string, met: Figure['met'], paint: (text: string, code: number) => string): string {
  return line.slice(0, line.length - met.length) + paint(met, codes[met]);
}

function hasLimits(figure: Figure): boolean {
  return Object.keys(figure.must).length > 0;
}

function valueText(figure: Figure, name: SubjectName): string {
  const value = figure.values[name];
  return value === undefined ? '-' : String(value);
}

function limitText(limits: Readonly<Record<string, string>>): string {
  const parts = Object.entries(limits).map(([against, bound]) => (against === 'weft' ? bound : `${bound} ${against}`));
  return parts.length === 0 ? '-' : parts.join('; ');
}
