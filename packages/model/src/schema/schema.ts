import type { ProblemCodeName } from '../problem/problem-code.ts';
import type { FieldPath, ProblemText } from '../problem/problem.ts';
import type { TextFormat } from './text-format.ts';

/**
 * A kind is declared once, as a table of fields: type, bounds, whether it is required, its description and its default in
 * words. Readers, OpenAPI schemas and reference pages are all made from that table, so it is data, not code; what a table
 * cannot say (fields that exclude one another) is a `rule` of an object.
 *
 * `T` is what reading gives: durations are milliseconds, quantities bytes, statuses inclusive ranges.
 */
export interface Schema<T> {
  readonly node: SchemaNode;
  readonly [valueType]?: () => T;
}

declare const valueType: unique symbol;

export type SchemaNode =
  | {
      readonly type: 'string';
      readonly minLength: number;
      readonly maxLength: number;
      readonly format: TextFormat | undefined;
    }
  | {
      readonly type: 'enum';
      readonly values: readonly (string | number)[];
      readonly unserved: readonly (string | number)[];
    }
  | { readonly type: 'number'; readonly integer: boolean; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'duration'; readonly minMs: number; readonly maxMs: number }
  | { readonly type: 'quantity'; readonly maxBytes: number }
  | { readonly type: 'status' }
  | { readonly type: 'portOrName' }
  | { readonly type: 'timestamp' }
  | {
      readonly type: 'list';
      readonly item: SchemaNode;
      readonly min: number;
      readonly max: number;
      readonly uniqueBy: string | undefined;
    }
  | { readonly type: 'map'; readonly key: TextFormat; readonly value: SchemaNode; readonly max: number }
  | {
      readonly type: 'object';
      readonly fields: ReadonlyMap<string, FieldNode>;
      readonly rules: readonly Rule<never>[];
      readonly celRules: readonly CelRule[];
    }
  /** Belongs to Kubernetes or to the standard and means nothing here: taken and not read. */
  | { readonly type: 'foreign' }
  /** Planned: refused when set, because a field never does nothing. */
  | { readonly type: 'notServed'; readonly what: string };

export interface FieldNode {
  readonly node: SchemaNode;
  readonly required: boolean;
  readonly doc: string;
  /** The built-in default in the words of a file; empty when there is none. Never written into an object. */
  readonly default: string;
}

export interface Field<T, R extends boolean> {
  readonly schema: Schema<T>;
  readonly required: R;
  readonly doc: string;
  readonly default: string;
}

/** Reports what is wrong with an object, at a path relative to it. */
export type Report = (path: FieldPath, code: ProblemCodeName, text: ProblemText) => void;

/** Runs only when every field could be read: what it looks at is whole. */
export type Rule<T> = (value: T, report: Report, checkRegularExpression: CheckRegularExpression) => void;

/**
 * What a `rule` says, in words of the API server (CEL): the same objects are refused at admission, at the same path or its
 * parent. Not evaluated here.
 */
export interface CelRule {
  /** `self` is the object. */
  readonly cel: string;
  readonly message: string;
  /** Relative to the object, such as `.selector`; absent: the object itself. */
  readonly fieldPath?: string;
}

/** Says what is wrong with a regular expression in RE2 syntax; undefined when nothing is. */
export type CheckRegularExpression = (pattern: string) => string | undefined;

export type ValueOf<S> = S extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, Field<unknown, boolean>>>;
type FieldValue<F> = F extends Field<infer T, boolean> ? T : never;
type RequiredNames<F extends Fields> = { [K in keyof F]: F[K]['required'] extends true ? K : never }[keyof F];
type Unread<F extends Fields> = { [K in keyof F]: unknown extends FieldValue<F[K]> ? K : never }[keyof F];
type Flat<T> = { [K in keyof T]: T[K] };

export type ObjectValue<F extends Fields> = Flat<
  { readonly [K in RequiredNames<F>]: FieldValue<F[K]> } & {
    readonly [K in Exclude<keyof F, RequiredNames<F> | Unread<F>>]?: FieldValue<F[K]>;
  }
>;

export function text(maxLength: number, format?: TextFormat, minLength = 1): Schema<string> {
  return { node: { type: 'string', minLength, maxLength, format } };
}

/** `unserved` values belong to the standard or are planned: they are refused with a reason of their own. */
export function choice<const V extends string | number>(
  values: readonly V[],
  unserved: readonly (string | number)[] = [],
): Schema<V> {
  return { node: { type: 'enum', values, unserved } };
}

export function integer(min: number, max: number): Schema<number> {
  return { node: { type: 'number', integer: true, min, max } };
}

export function decimal(min: number, max: number): Schema<number> {
  return { node: { type: 'number', integer: false, min, max } };
}

export function flag(): Schema<boolean> {
  return { node: { type: 'boolean' } };
}

/** Read as milliseconds. */
export function duration(minMs: number, maxMs: number): Schema<number> {
  return { node: { type: 'duration', minMs, maxMs } };
}

/** Read as bytes. */
export function quantity(maxBytes: number): Schema<number> {
  return { node: { type: 'quantity', maxBytes } };
}

/** `"503"` or `"500-599"`, read as an inclusive range. */
export function status(): Schema<{ readonly from: number; readonly to: number }> {
  return { node: { type: 'status' } };
}

export function portOrName(): Schema<number | string> {
  return { node: { type: 'portOrName' } };
}

/** RFC 3339, read as Unix milliseconds. */
export function timestamp(): Schema<number> {
  return { node: { type: 'timestamp' } };
}

export function list<T>(
  item: Schema<T>,
  max: number,
  options: { min?: number; uniqueBy?: string } = {},
): Schema<readonly T[]> {
  return { node: { type: 'list', item: item.node, min: options.min ?? 0, max, uniqueBy: options.uniqueBy } };
}

export function textMap(key: TextFormat, value: Schema<string>, max: number): Schema<Readonly<Record<string, string>>> {
  return { node: { type: 'map', key, value: value.node, max } };
}

export function object<const F extends Fields>(
  fields: F,
  ...rules: readonly (Rule<ObjectValue<F>> | CelRule)[]
): Schema<ObjectValue<F>> {
  const nodes = new Map<string, FieldNode>();
  for (const [name, field] of Object.entries(fields)) {
    nodes.set(name, { node: field.schema.node, required: field.required, doc: field.doc, default: field.default });
  }
  const checks: Rule<never>[] = [];
  const celRules: CelRule[] = [];
  for (const rule of rules) {
    if (typeof rule === 'function') checks.push(rule as Rule<never>);
    else celRules.push(rule);
  }
  return { node: { type: 'object', fields: nodes, rules: checks, celRules } };
}

export function required<T>(schema: Schema<T>, doc: string): Field<T, true> {
  return { schema, required: true, doc, default: '' };
}

/** `defaultText` is the built-in default as a file would say it. */
export function optional<T>(schema: Schema<T>, doc: string, defaultText = ''): Field<T, false> {
  return { schema, required: false, doc, default: defaultText };
}

export function foreign(doc = 'Belongs to Kubernetes; taken and not read.'): Field<unknown, false> {
  return { schema: { node: { type: 'foreign' } }, required: false, doc, default: '' };
}

export function notServed(what: string): Field<unknown, false> {
  return {
    schema: { node: { type: 'notServed', what } },
    required: false,
    doc: `${what}. Not served yet: refused when set.`,
    default: '',
  };
}
