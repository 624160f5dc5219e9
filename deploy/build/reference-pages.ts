/**
 * The reference parts of docs/, made from the tables that the program runs by. `node deploy/build/reference-pages.ts`
 * (npm run reference) writes them; the house test compares. A page is either whole, or has its made part between two marks.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { writeDuration } from '@weft/kernel';
import { type FieldNode, type KindEntry, type SchemaNode, kindTable, problemCodes } from '@weft/model';
import { type Termination, terminationCodes, terminations } from '@weft/outcome';
import { annotationTable, valueTable } from './cluster-tables.ts';
import { metricTable } from './metric-table.ts';

export interface ReferencePage {
  /** Relative to the root of the project. */
  readonly path: string;
  readonly text: string;
}

const root = new URL('../../', import.meta.url);
const mark = (name: string): { begin: string; end: string } => ({
  begin: `<!-- ${name}: made by npm run reference; change the tables it is made from -->`,
  end: `<!-- end of ${name} -->`,
});

export async function referencePages(): Promise<readonly ReferencePage[]> {
  return [
    { path: 'docs/terminations.md', text: terminationPage() },
    { path: 'docs/problems.md', text: problemPage() },
    await filled('docs/configuration.md', 'fields', fieldReference()),
    await filled('docs/operations.md', 'metrics', metricTable()),
    await filled('docs/injection.md', 'annotations', annotationTable()),
    await filled('docs/kubernetes.md', 'values', await valueTable()),
  ];
}

async function filled(path: string, name: string, part: string): Promise<ReferencePage> {
  const page = await readFile(new URL(path, root), 'utf8');
  const { begin, end } = mark(name);
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${path}: the marks "${begin}" and "${end}" are missing`);
  return { path, text: `${page.slice(0, from + begin.length)}\n\n${part}\n${page.slice(to)}` };
}

function terminationPage(): string {
  const sides: readonly [Termination['side'], string, string][] = [
    ['downstream', 'What the caller did', 'The peer that sent the request brought the ending about.'],
    ['local', 'What the proxy decided', 'A limit, a policy, the configuration or the shutdown of this proxy.'],
    ['upstream', 'What the endpoint did', 'The peer that was to answer brought the ending about.'],
  ];
  const sections = sides.map(([side, title, lead]) => {
    const rows = terminationCodes.map((code) => terminations[code]).filter((row) => row.side === side);
    return [
      `## ${title}`,
      '',
      lead,
      '',
      '| code | meaning | HTTP | gRPC | moment | fault | tried again | connection | log |',
      '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
      ...rows.map(terminationRow),
      '',
    ].join('\n');
  });
  return `# How requests and connections end

Made by \`npm run reference\` from the Termination table (\`packages/outcome\`).

Every exchange and every connection ends in one row of this table. The code is the label \`termination\` of
\`weft_requests_total\` and \`weft_connection_endings_total\` and the field \`termination\` of the access log. When the proxy
itself answers a caller inside the mesh, the response says it too: \`weft-refused: CODE\`. Callers outside the mesh see the status only.

- **HTTP**, **gRPC**: status of the reply that the proxy makes; \`-\` when it makes none (the peer is gone, or has its answer).
- **moment**: \`before-send\`: no byte reached an endpoint. \`after-send\`: bytes were sent, no response head was read. \`after-head\`: the
  response had begun.
- **fault**: whose failure it is. Only \`server\` counts against an endpoint.
- **tried again**: the word of \`TrafficPolicy.spec.retries.on\` that admits a retry, and when.
- **connection**: what becomes of the caller's connection.

${sections.join('\n')}`;
}

function terminationRow(row: Termination): string {
  const again =
    row.retry === 'never' || row.retryOn === undefined
      ? row.retry === 'never'
        ? 'no'
        : row.retry
      : `${row.retryOn}, ${row.retry}`;
  const http = row.httpStatus === 0 ? '-' : String(row.httpStatus);
  const grpc = row.grpcStatus === 0 ? '-' : String(row.grpcStatus);
  return cells([`\`${row.code}\``, row.text, http, grpc, row.moment, row.fault, again, row.connection, row.log]);
}

function problemPage(): string {
  const rows = Object.entries(problemCodes).map(([code, { severity, reason, text }]) =>
    cells([`\`${code}\``, severity, severity === 'error' ? reason : '-', text]),
  );
  return `# What can be wrong with a configuration

Made by \`npm run reference\` from the Problem table (\`packages/model\`).

\`weft check DIR\` prints one line per problem: \`file:line:column: severity: KIND namespace/name path: message (expected ...). What to do.\`
The code is the rule of a SARIF result and the field \`code\` of \`-o json\`.

An **error** refuses its object, alone: the last good version of it stays in force, its condition \`Accepted\` is \`False\` with the
reason below, and every other object is unaffected. A **warning** refuses nothing.

| code | severity | reason | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function fieldReference(): string {
  return [...kindTable.values()].map(kindSection).join('\n');
}

function kindSection(entry: KindEntry): string {
  const rows = fieldRows(entry.spec.node, '');
  return [
    `### ${entry.kind}`,
    '',
    `${entry.doc} \`${entry.apiVersions.join('`, `')}\`; ${entry.scope === 'Cluster' ? 'cluster-scoped' : 'in a namespace'}.`,
    '',
    ...(rows.length === 0
      ? ['Has no field in `spec` that means something here.']
      : ['| field of `spec` | type | default | meaning |', '| --- | --- | --- | --- |', ...rows]),
    '',
  ].join('\n');
}

function fieldRows(node: SchemaNode, prefix: string): string[] {
  if (node.type !== 'object') return [];
  return [...node.fields].flatMap(([name, field]) => [
    fieldRow(`${prefix}${name}`, field),
    ...rowsBelow(field.node, `${prefix}${name}`),
  ]);
}

function rowsBelow(node: SchemaNode, path: string): string[] {
  const kind = sameFieldsAs(node);
  if (kind !== undefined)
    return [cells([`${code(`${path}.`)}...`, '', '', `The fields of ${kind}, with the same meaning.`])];
  if (node.type === 'object') return fieldRows(node, `${path}.`);
  if (node.type === 'list') return rowsBelow(node.item, `${path}[]`);
  return [];
}

/** The kind whose whole `spec`, but for its targets, is allowed here too: declared once, so described once. */
function sameFieldsAs(node: SchemaNode): string | undefined {
  if (node.type !== 'object' || node.fields.size < 3) return undefined;
  for (const { kind, spec } of kindTable.values()) {
    if (spec.node.type !== 'object' || spec.node === node) continue;
    const known = spec.node.fields;
    if ([...node.fields].every(([name, { node: field }]) => known.get(name)?.node === field)) return kind;
  }
  return undefined;
}

function code(text: string): string {
  return `\`${text}\``;
}

function fieldRow(path: string, field: FieldNode): string {
  const fallback = field.required ? 'required' : field.default === '' ? '' : `\`${field.default}\``;
  return cells([`\`${path}\``, typeText(field.node), fallback, field.doc]);
}

function typeText(node: SchemaNode): string {
  switch (node.type) {
    case 'string': {
      const bounds = `up to ${node.maxLength} characters`;
      return node.format === undefined ? `text, ${bounds}` : node.format.name;
    }
    case 'enum':
      return node.values.map((value) => `\`${value}\``).join(', ');
    case 'number':
      return `${node.integer ? 'integer' : 'number'}, ${node.min} to ${node.max}`;
    case 'boolean':
      return '`true`, `false`';
    case 'duration':
      return `duration, ${writeDuration(node.minMs)} to ${writeDuration(node.maxMs)}`;
    case 'quantity':
      return `quantity, at most ${node.maxBytes} bytes`;
    case 'status':
      return 'status or range: `"503"`, `"500-599"`';
    case 'portOrName':
      return 'port or its name';
    case 'timestamp':
      return 'RFC 3339 time';
    case 'list':
      return `list of ${typeText(node.item)}, ${node.min > 0 ? `${node.min} to ${node.max}` : `at most ${node.max}`}`;
    case 'map':
      return `map, at most ${node.max} entries`;
    case 'object':
      return 'object';
    case 'foreign':
      return 'not read';
    case 'notServed':
      return 'not served yet';
  }
}

function cells(values: readonly string[]): string {
  return `| ${values.map((value) => value.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { path, text } of await referencePages()) {
    await writeFile(new URL(path, root), text);
    console.log(path);
  }
}
