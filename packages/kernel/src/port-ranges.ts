/** Ports from one to another, both included; 1 to 65535. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** A longer list is no list of exceptions any more. */
const MOST_RANGES = 256;

/**
 * Reads `25,3306,9000-9010` as ranges in ascending order, neighbours and overlaps joined, so that equal sets are written
 * alike. Empty text is the empty list. Undefined when malformed, out of 1 to 65535, the wrong way round, or above 256 entries.
 */
export function readPortRanges(text: string): readonly PortRange[] | undefined {
  if (text.trim() === '') return [];
  const parts = text.split(',', MOST_RANGES + 1);
  if (parts.length > MOST_RANGES) return undefined;
  const ranges: PortRange[] = [];
  for (const part of parts) {
    const match = /^\s*([0-9]{1,5})(?:-([0-9]{1,5}))?\s*$/.exec(part);
    if (match === null) return undefined;
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    if (from < 1 || to > 65_535 || from > to) return undefined;
    ranges.push({ from, to });
  }
  return joinPortRanges(ranges);
}

/** The same ports in ascending order, with neighbours and overlaps joined. */
export function joinPortRanges(ranges: readonly PortRange[]): readonly PortRange[] {
  const joined: PortRange[] = [];
  for (const range of [...ranges].sort((left, right) => left.from - right.from)) {
    const last = joined.at(-1);
    if (last === undefined || range.from > last.to + 1) joined.push(range);
    else joined[joined.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
  }
  return joined;
}

/** As `readPortRanges` reads them. */
export function writePortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

export function hasPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ from, to }) => port >= from && port <= to);
}
