import type { ReplayReport } from './log-replay.ts';
import type { Verdict, VerdictKind } from './verdict.ts';

/** More of them are in the report. */
const MOST_SHOWN = 20;

/** `412 of 90,000 requests would be routed elsewhere`, then by rule. Ends with a line break. */
export function replayText({ lines, requests, counts, verdicts }: ReplayReport): string {
  const text = [
    `${number(counts.elsewhere)} of ${number(requests)} requests would be routed elsewhere`,
    ...section(verdicts, 'elsewhere'),
  ];
  if (counts.otherwise > 0) {
    text.push(
      `${number(counts.otherwise)} would go to the same place in another way`,
      ...section(verdicts, 'otherwise'),
    );
  }
  if (counts.undecidable > 0) {
    text.push(`${number(counts.undecidable)} are undecidable: the log lacks`, ...section(verdicts, 'undecidable'));
  }
  text.push(`${number(counts.same)} would go where they went`);
  const { arrived, connection, unreadable } = counts;
  if (requests < lines) {
    const kinds = [
      [arrived, 'told by the receiver'],
      [connection, 'of connections'],
      [unreadable, 'unreadable'],
    ] as const;
    const parts = kinds.flatMap(([count, what]) => (count > 0 ? [`${number(count)} ${what}`] : []));
    text.push(`${number(lines)} lines were read; not counted as requests: ${parts.join(', ')}`);
  }
  return `${text.map((line) => line.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')).join('\n')}\n`;
}

function section(verdicts: readonly Verdict[], kind: VerdictKind): string[] {
  const own = verdicts.filter((verdict) => verdict.kind === kind);
  const width = number(own[0]?.count ?? 0).length;
  const lines = own.slice(0, MOST_SHOWN).flatMap(({ from, to, example, count }) => {
    const first = `  ${number(count).padStart(width)}  ${from}`;
    const second = to === '' ? [] : [`${' '.repeat(width + 4)}now ${to}`];
    return [first, ...second, `${' '.repeat(width + 4)}such as ${example}`];
  });
  if (own.length > MOST_SHOWN) lines.push(`  and ${own.length - MOST_SHOWN} more`);
  return lines;
}

function number(value: number): string {
  return value.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
