import type { OpenApiSchema } from './open-api-schema.ts';
import { type OwnDefinition, ownDefinitions } from './own-definition.ts';

/** A JSON Schema (draft-07, which editors' YAML tools speak). */
export interface JsonSchema {
  [keyword: string]: unknown;
}

const DRAFT = 'http://json-schema.org/draft-07/schema#';
/** Keywords of a choice. */
const CHOICE = 'if then'.split(' ');

/**
 * Schemas of our kinds for editors, by file name: one for each, and `weft.json`, which takes any of them by `apiVersion` and
 * `kind` and leaves objects of other groups alone, for files of many documents.
 */
export function jsonSchemas(): ReadonlyMap<string, JsonSchema> {
  const made = new Map<string, JsonSchema>();
  const definitions = ownDefinitions();
  for (const definition of definitions) made.set(fileOf(definition), kindSchema(definition));
  made.set('weft.json', {
    $schema: DRAFT,
    title: 'Objects of weft.dev',
    type: 'object',
    required: ['apiVersion', 'kind'],
    allOf: [
      conditional(
        { properties: { apiVersion: { pattern: '^weft\\.dev/' } }, required: ['apiVersion'] },
        {
          properties: {
            apiVersion: { const: definitions[0]?.apiVersion },
            kind: { enum: definitions.map(({ kind }) => kind) },
          },
        },
      ),
      ...definitions.map((definition) =>
        conditional(
          {
            properties: { apiVersion: { const: definition.apiVersion }, kind: { const: definition.kind } },
            required: ['apiVersion', 'kind'],
          },
          { $ref: fileOf(definition) },
        ),
      ),
    ],
  });
  return made;
}

/** `if` and `then`. As entries: an object with a `then` of its own would be taken for a promise. */
function conditional(condition: JsonSchema, consequence: JsonSchema): JsonSchema {
  return Object.fromEntries([
    [CHOICE[0], condition],
    [CHOICE[1], consequence],
  ]);
}

function fileOf({ kind }: OwnDefinition): string {
  return `${kind.toLowerCase()}.json`;
}

function kindSchema({ kind, apiVersion, namespaced, schema }: OwnDefinition): JsonSchema {
  const { spec, status } = schema.properties ?? {};
  const names: JsonSchema = { type: 'string', minLength: 1, maxLength: 253 };
  const texts: JsonSchema = { type: 'object', additionalProperties: { type: 'string' } };
  return {
    $schema: DRAFT,
    title: kind,
    description: schema.description,
    type: 'object',
    additionalProperties: false,
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
    properties: {
      apiVersion: { const: apiVersion },
      kind: { const: kind },
      metadata: {
        type: 'object',
        required: ['name'],
        properties: {
          name: kind === 'Mesh' ? { const: 'default' } : names,
          ...(namespaced ? { namespace: { type: 'string', maxLength: 63 } } : {}),
          labels: texts,
          annotations: texts,
        },
      },
      spec: convert(spec ?? {}),
      ...(status === undefined ? {} : { status: convert(status) }),
    },
  };
}

/** What CEL says beside it stays with the server. */
function convert(schema: OpenApiSchema): JsonSchema {
  const { items, properties, additionalProperties, anyOf, format, ...rest } = schema;
  const own = Object.fromEntries(Object.entries(rest).filter(([keyword]) => !keyword.startsWith('x-kubernetes-')));
  const made: JsonSchema = { ...own };
  if (anyOf !== undefined) made['anyOf'] = anyOf;
  // The others are widths of numbers, which JSON does not have.
  if (format === 'date-time') made['format'] = format;
  if (items !== undefined) made['items'] = convert(items);
  if (additionalProperties !== undefined) made['additionalProperties'] = convert(additionalProperties);
  if (properties !== undefined) {
    const refused = refusedIn(schema);
    const served = Object.entries(properties).filter(([name]) => !refused.has(name));
    made['properties'] = Object.fromEntries(served.map(([name, property]) => [name, convert(property)]));
    made['additionalProperties'] = false;
  }
  return made;
}

/** Fields that are known and not served yet: refused by a rule, so that the message can say which. */
export function refusedIn(schema: OpenApiSchema): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { rule } of schema['x-kubernetes-validations'] ?? []) {
    const name = /^!has\(self\.(\w+)\)$/.exec(rule)?.[1];
    if (name !== undefined) names.add(name);
  }
  return names;
}
