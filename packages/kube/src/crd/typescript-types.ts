import { refusedIn } from './json-schema.ts';
import type { OpenApiSchema } from './open-api-schema.ts';
import { ownDefinitions } from './own-definition.ts';

/** Our kinds as TypeScript interfaces: for tests and programs that write objects. */
export function typescriptTypes(): string {
  const definitions = ownDefinitions();
  const blocks = definitions.map(({ kind, apiVersion, namespaced, schema }) => {
    const { spec, status } = schema.properties ?? {};
    return [
      `${comment(schema.description, '')}export interface ${kind} {`,
      `  readonly apiVersion: '${apiVersion}';`,
      `  readonly kind: '${kind}';`,
      `  readonly metadata: ${namespaced ? 'NamespacedMetadata' : 'Metadata'};`,
      `  readonly spec: ${typeOf(spec ?? {}, '  ')};`,
      ...(status === undefined ? [] : [`  readonly status?: ${typeOf(status, '  ')};`]),
      '}',
    ].join('\n');
  });
  return `${[
    `export interface Metadata {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}`,
    `export interface NamespacedMetadata extends Metadata {
  /** Default: that of the client. */
  readonly namespace?: string;
}`,
    ...blocks,
    `export type WeftObject = ${definitions.map(({ kind }) => kind).join(' | ')};`,
  ].join('\n\n')}\n`;
}

function typeOf(schema: OpenApiSchema, indent: string): string {
  if (schema.enum !== undefined)
    return schema.enum
      .map((value) => JSON.stringify(value))
      .join(' | ')
      .replaceAll('"', "'");
  if (schema['x-kubernetes-int-or-string'] === true) return 'number | string';
  if (schema.items !== undefined) {
    const item = typeOf(schema.items, indent);
    return / \| /.test(item) && !item.startsWith('{') ? `readonly (${item})[]` : `readonly ${item}[]`;
  }
  if (schema.additionalProperties !== undefined) {
    return `Readonly<Record<string, ${typeOf(schema.additionalProperties, indent)}>>`;
  }
  if (schema.properties !== undefined) return objectType(schema, schema.properties, indent);
  if (schema.type === 'object') return 'Readonly<Record<string, unknown>>';
  return schema.type === 'integer' ? 'number' : (schema.type ?? 'unknown');
}

function objectType(schema: OpenApiSchema, properties: Record<string, OpenApiSchema>, indent: string): string {
  const required = new Set(schema.required);
  const refused = refusedIn(schema);
  const inner = `${indent}  `;
  const lines = Object.entries(properties)
    .filter(([name]) => !refused.has(name))
    .map(([name, property]) => {
      const key = /^[A-Za-z_]\w*$/.test(name) ? name : `'${name}'`;
      const mark = required.has(name) ? '' : '?';
      return `${comment(property.description, inner)}${inner}readonly ${key}${mark}: ${typeOf(property, inner)};`;
    });
  return lines.length === 0 ? 'Readonly<Record<string, never>>' : `{\n${lines.join('\n')}\n${indent}}`;
}

function comment(text: string | undefined, indent: string): string {
  return text === undefined || text === '' ? '' : `${indent}/** ${text.replaceAll('*/', '* /')} */\n`;
}
