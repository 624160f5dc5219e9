import { writeDuration } from '@weft/kernel';
import type { FieldNode, SchemaNode } from '@weft/model';

/** A structural OpenAPI v3 schema as CustomResourceDefinitions carry it. */
export interface OpenApiSchema {
  description?: string;
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  format?: string;
  anyOf?: { readonly type?: string; readonly format?: string }[];
  enum?: readonly (string | number)[];
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  items?: OpenApiSchema;
  properties?: Record<string, OpenApiSchema>;
  additionalProperties?: OpenApiSchema;
  required?: string[];
  'x-kubernetes-int-or-string'?: true;
  'x-kubernetes-preserve-unknown-fields'?: true;
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-validations'?: Validation[];
}

export interface Validation {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/** GEP-2257. */
const DURATION = '^([0-9]{1,5}(h|m|s|ms)){1,4}$';
const DURATION_LENGTH = 32;
const QUANTITY = '^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)(([KMGTPE]i|[numkMGTPE])|[eE][+-]?[0-9]{1,3})?$';
const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
const NAME = `${LABEL}([.]${LABEL})*`;
const QUALIFIED = '[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?';

/** The reader's formats as RE2. What a pattern can't say is missing there: the reader refuses it later, and says so in status. */
const patterns: Readonly<Record<string, string>> = {
  'dns-label': `^${LABEL}$`,
  'dns-name': `^${NAME}$`,
  hostname: `^([*][.])?${NAME}$`,
  'precise-hostname': `^${NAME}$`,
  'port-name': '^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$',
  'header-name': "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
  'header-value': '^[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$',
  'label-value': `^(${QUALIFIED})?$`,
  'absolute-path': "^/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$",
};

/** The schema of a field: its description carries the default, which is never written into an object. */
function fieldSchema({ node, doc, default: fallback }: FieldNode): OpenApiSchema {
  const unserved =
    node.type === 'enum' && node.unserved.length > 0 ? ` Not served yet: ${node.unserved.join(', ')}.` : '';
  const described = fallback === '' ? `${doc}${unserved}` : `${doc}${unserved} Default: ${fallback}.`;
  return { description: described, ...openApiSchema(node) };
}

/** A structural schema that takes what the reader takes, without defaults. */
export function openApiSchema(node: SchemaNode): OpenApiSchema {
  switch (node.type) {
    case 'string':
      return textSchema(node);
    case 'enum':
      return { type: typeof node.values[0] === 'number' ? 'integer' : 'string', enum: node.values };
    case 'number':
      return node.integer
        ? { type: 'integer', format: 'int64', minimum: node.min, maximum: node.max }
        : { type: 'number', minimum: node.min, maximum: node.max };
    case 'boolean':
      return { type: 'boolean' };
    case 'duration':
      return durationSchema(node);
    case 'quantity':
      return {
        anyOf: [{ type: 'integer' }, { type: 'string' }],
        'x-kubernetes-int-or-string': true,
        pattern: QUANTITY,
        maxLength: 64,
        'x-kubernetes-validations': [
          {
            rule: `type(self) == int ? self >= 0 && self <= ${node.maxBytes} : quantity(self).compareTo(quantity('${node.maxBytes}')) <= 0`,
            message: `expected a size up to ${node.maxBytes} bytes`,
          },
        ],
      };
    case 'status':
      return {
        type: 'string',
        maxLength: 7,
        pattern: '^[1-5][0-9]{2}(-[1-5][0-9]{2})?$',
        'x-kubernetes-validations': [
          {
            rule: "!self.contains('-') || self.substring(0, 3) <= self.substring(4)",
            message: 'the range ends before it begins',
          },
        ],
      };
    case 'portOrName':
      return { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true };
    case 'timestamp':
      return { type: 'string', format: 'date-time' };
    case 'list':
      return listSchema(node);
    case 'map':
      return {
        type: 'object',
        maxProperties: node.max,
        additionalProperties: openApiSchema(node.value),
        ...(node.key.name === 'label-key' ? { 'x-kubernetes-validations': [labelKeyRule] } : {}),
      };
    case 'object':
      return objectSchema(node);
    case 'foreign':
    case 'notServed':
      return { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  }
}

const labelKeyRule: Validation = {
  rule: `self.all(key, size(key) <= 317 && key.matches('^(${NAME}/)?${QUALIFIED}$'))`,
  message: 'expected label keys such as app or example.com/app',
};

type NodeOf<T extends SchemaNode['type']> = Extract<SchemaNode, { type: T }>;

function textSchema({ minLength, maxLength, format }: NodeOf<'string'>): OpenApiSchema {
  const schema: OpenApiSchema = { type: 'string', maxLength };
  if (minLength > 0) schema.minLength = minLength;
  if (format?.name === 'ip-address') schema.anyOf = [{ format: 'ipv4' }, { format: 'ipv6' }];
  const pattern = format === undefined ? undefined : patterns[format.name];
  if (pattern !== undefined) schema.pattern = pattern;
  return schema;
}

function durationSchema({ minMs, maxMs }: NodeOf<'duration'>): OpenApiSchema {
  const bounds = [`duration(self) <= duration('${writeDuration(maxMs)}')`];
  if (minMs > 0) bounds.unshift(`duration(self) >= duration('${writeDuration(minMs)}')`);
  return {
    type: 'string',
    maxLength: DURATION_LENGTH,
    pattern: DURATION,
    'x-kubernetes-validations': [
      { rule: bounds.join(' && '), message: `expected ${writeDuration(minMs)} to ${writeDuration(maxMs)}` },
    ],
  };
}

function listSchema({ item, min, max, uniqueBy }: NodeOf<'list'>): OpenApiSchema {
  const schema: OpenApiSchema = { type: 'array', maxItems: max, items: openApiSchema(item) };
  if (min > 0) schema.minItems = min;
  // A set of objects passes as a definition, and then breaks every server-side apply: the reader alone holds those apart.
  if (uniqueBy === '' && item.type !== 'object') schema['x-kubernetes-list-type'] = 'set';
  else if (uniqueBy !== undefined && item.type === 'object' && item.fields.get(uniqueBy)?.required === true) {
    schema['x-kubernetes-list-type'] = 'map';
    schema['x-kubernetes-list-map-keys'] = [uniqueBy];
  } else schema['x-kubernetes-list-type'] = 'atomic';
  return schema;
}

function objectSchema({ fields, celRules }: NodeOf<'object'>): OpenApiSchema {
  const schema: OpenApiSchema = { type: 'object' };
  const properties: Record<string, OpenApiSchema> = {};
  const required: string[] = [];
  const validations: Validation[] = [];
  for (const [name, field] of fields) {
    properties[name] = fieldSchema(field);
    if (field.required) required.push(name);
    if (field.node.type === 'notServed') {
      const message = `not served yet: ${field.node.what}; remove the field`;
      validations.push({ rule: `!has(self.${name})`, message, fieldPath: `.${name}` });
    }
  }
  for (const { cel, message, fieldPath } of celRules) {
    validations.push({ rule: cel, message, ...(fieldPath === undefined ? {} : { fieldPath }) });
  }
  if (fields.size > 0) schema.properties = properties;
  if (required.length > 0) schema.required = required;
  if (validations.length > 0) schema['x-kubernetes-validations'] = validations;
  return schema;
}
