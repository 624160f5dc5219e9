/** Tables of the pages about clusters: what a pod's annotations take, and the values of the chart. */
import { readFile } from 'node:fs/promises';
import { podAnnotations } from '@weft/injection';
import { parse } from 'yaml';

interface ValueSchema {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
}

const chart = new URL('../helm/weft/', import.meta.url);

export function annotationTable(): string {
  const rows = podAnnotations.map(({ name, expected, doc }) => `| \`${name}\` | ${expected} | ${doc} |`);
  return `| annotation | takes | for |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

/** Every value, with the default of values.yaml and the text of values.schema.json. */
export async function valueTable(): Promise<string> {
  const schema = JSON.parse(await readFile(new URL('values.schema.json', chart), 'utf8')) as ValueSchema;
  const values: unknown = parse(await readFile(new URL('values.yaml', chart), 'utf8'));
  const rows = [...leaves(schema, values, '')].map(([path, own, fallback]) => {
    const bounds = own.type === 'integer' ? `${own.minimum} to ${own.maximum}` : '';
    const takes =
      (own.enum ?? []).map((word) => (word === '' ? "`''`" : `\`${word}\``)).join(', ') || bounds || own.type || '';
    return `| \`${path}\` | ${takes} | ${shown(fallback)} | ${own.description ?? ''} |`;
  });
  return `| value | takes | default | for |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function* leaves(schema: ValueSchema, value: unknown, path: string): Generator<[string, ValueSchema, unknown]> {
  for (const [name, own] of Object.entries(schema.properties ?? {})) {
    if (path === '' && name === 'global') continue;
    const inner = (value as Readonly<Record<string, unknown>> | undefined)?.[name];
    const place = path === '' ? name : `${path}.${name}`;
    if (own.properties === undefined) yield [place, own, inner];
    else yield* leaves(own, inner, place);
  }
}

function shown(value: unknown): string {
  if (value === '' || value === undefined) return '-';
  return `\`${typeof value === 'object' ? JSON.stringify(value).replaceAll('"', '') : String(value)}\``;
}
