import type { ObjectStatus } from '@weft/wire';
import type { Cell } from '../output/text-table.ts';
import type { HeldTable } from './held-config.ts';

/** All objects, one a row. */
export function objectsTable(objects: readonly ObjectStatus[]): HeldTable {
  const rows = objects.map((object): Cell[] => [
    `${object.kind}/${object.name}`,
    object.namespace,
    conditionCell(object, 'Accepted'),
    conditionCell(object, 'ResolvedRefs'),
    object.proxies === 0 ? '' : `${object.programmed}/${object.proxies}`,
    object.file === '' ? '' : `${object.file}:${object.line}`,
  ]);
  return { headings: ['object', 'namespace', 'accepted', 'resolved', 'programmed', 'where'], rows };
}

/** One object for a person: its conditions, then what is wrong with it. */
export function describeObject(object: ObjectStatus): string {
  const owner = object.namespace === '' ? object.name : `${object.namespace}/${object.name}`;
  const lines = [`${object.kind} ${owner}${object.file === '' ? '' : ` (${object.file}:${object.line})`}`];
  for (const { type, status, reason, message, about } of object.conditions) {
    const whose = about === '' ? '' : `${about}: `;
    lines.push(`  ${whose}${type} ${status}, ${reason}${message === '' ? '' : `: ${message}`}`);
  }
  for (const { severity, path, message, expected, fix, file, line, column } of object.problems) {
    const wanted = expected === '' ? '' : ` (expected ${expected})`;
    lines.push(
      `  ${file}:${line}:${column}: ${severity}: ${path === '' ? '' : `${path}: `}${message}${wanted}. ${fix}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Whether some parent or the object as a whole was refused. */
export function isRefused({ conditions, problems }: ObjectStatus): boolean {
  return (
    problems.some(({ severity }) => severity === 'error') ||
    conditions.some(({ type, status }) => type === 'Accepted' && status === 'False')
  );
}

/** The worst of the parents': each of them has the condition of its own. */
function conditionCell({ conditions }: ObjectStatus, type: string): Cell {
  const own = conditions.filter((condition) => condition.type === type);
  const bad = own.find(({ status }) => status !== 'True');
  if (bad !== undefined) return { text: bad.reason, colour: 'red' };
  return own.length === 0 ? '' : { text: 'yes', colour: 'green' };
}
