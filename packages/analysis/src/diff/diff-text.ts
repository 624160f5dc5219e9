import type { MeshChange } from './mesh-diff.ts';

const signs = { gained: '+', lost: '-', retargeted: '~', changed: '~', reordered: '~' } as const;

/** Differences for a person, by who notices and what it is about. Ends with a line break; empty lists say so. */
export function diffText(changes: readonly MeshChange[]): string {
  if (changes.length === 0) return 'no change in behaviour\n';
  const lines: string[] = [];
  let heading = '';
  for (const change of changes) {
    const { who, subject } = change;
    const own = subject === '' || who.endsWith(subject) ? who : `${subject} for ${who}`;
    if (own !== heading) lines.push(...(heading === '' ? [] : ['']), own);
    heading = own;
    lines.push(`  ${signs[change.kind]} ${sentence(change)}`);
    for (const { field, before, after } of change.fields) lines.push(`      ${field}: ${before} -> ${after}`);
  }
  const count = `${changes.length} ${changes.length === 1 ? 'change' : 'changes'} in behaviour`;
  return `${[...lines, '', count].map((line) => line.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')).join('\n')}\n`;
}

function sentence({ kind, area, match, before, after }: MeshChange): string {
  switch (area) {
    case 'mesh':
      return 'settings of the mesh';
    case 'policy':
      return 'how endpoints are called';
    case 'inbound':
      return 'what is enforced on arrival';
    case 'endpoints':
      return `endpoint ${after || before}`;
    case 'listener':
      return kind === 'changed' ? 'the listener' : `listener on ${after || before}`;
    case 'destination':
      return `${before} -> ${after}`;
    case 'route':
      return kind === 'changed' ? `${match}: ${after}, in another way` : `${match}: ${before} -> ${after}${more[kind]}`;
  }
}

const more = { gained: '', lost: '', retargeted: '', changed: '', reordered: ' (where both match)' } as const;
