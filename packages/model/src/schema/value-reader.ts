import { readDurationMs, readQuantityBytes, writeDuration } from '@weft/kernel';
import type { ProblemCodeName } from '../problem/problem-code.ts';
import { type FieldPath, type ProblemText, quoteValue } from '../problem/problem.ts';
import type { CheckRegularExpression, Report, Rule, SchemaNode } from './schema.ts';
import { nearestWord } from './nearest-word.ts';

export interface ReadContext {
  /** `path` is only valid during the call. `intact`: the value is whole all the same, so rules may still look at it. */
  readonly report: (path: FieldPath, code: ProblemCodeName, text: ProblemText, intact?: boolean) => void;
  readonly checkRegularExpression: CheckRegularExpression;
}

type Node<K extends SchemaNode['type']> = Extract<SchemaNode, { type: K }>;

/**
 * Reads an untrusted value as a schema says. All problems are reported, never only the first; whoever calls must not use
 * the value when a problem of severity `error` was. `null` is absence, as in Kubernetes.
 */
export function readValue(node: SchemaNode, raw: unknown, context: ReadContext, path: (string | number)[]): unknown {
  switch (node.type) {
    case 'object':
      return readObjectValue(node, raw, context, path);
    case 'list':
      return readList(node, raw, context, path);
    case 'map':
      return readMap(node, raw, context, path);
    case 'foreign':
      return undefined;
    case 'notServed':
      context.report(
        path,
        'not-served-yet',
        { message: `not served yet: ${node.what}`, fix: 'Remove the field.' },
        true,
      );
      return undefined;
    default:
      return readScalar(node, raw, (code, text) => context.report(path, code, text));
  }
}

function readObjectValue(node: Node<'object'>, raw: unknown, context: ReadContext, path: (string | number)[]): unknown {
  if (!isMap(raw)) return wrongType('a map', raw, context, path);
  let failed = false;
  const watched: ReadContext = {
    report: (where, code, text, intact = false) => {
      failed ||= !intact;
      context.report(where, code, text, intact);
    },
    checkRegularExpression: context.checkRegularExpression,
  };
  const value: Record<string, unknown> = {};
  for (const name of Object.keys(raw)) {
    if (node.fields.has(name)) continue;
    path.push(name);
    reportUnknown(name, [...node.fields.keys()], watched, path);
    path.pop();
  }
  for (const [name, field] of node.fields) {
    const rawField = Object.hasOwn(raw, name) ? raw[name] : undefined;
    path.push(name);
    if (rawField !== undefined && rawField !== null) {
      const read = readValue(field.node, rawField, watched, path);
      if (read !== undefined) value[name] = read;
    } else if (field.required) {
      watched.report(path, 'missing-field', { message: `${name} is missing`, expected: describe(field.node) });
    }
    path.pop();
  }
  if (!failed) {
    const report: Report = (where, code, text) => context.report([...path, ...where], code, text, true);
    for (const rule of node.rules) (rule as Rule<unknown>)(value, report, context.checkRegularExpression);
  }
  return value;
}

function reportUnknown(name: string, known: readonly string[], context: ReadContext, path: FieldPath): void {
  const nearest = nearestWord(name, known);
  const fix = nearest === undefined ? `Remove it; known here: ${known.join(', ')}.` : `Did you mean "${nearest}"?`;
  context.report(path, 'unknown-field', { message: `unknown field ${quoteValue(name)}`, fix }, true);
}

function readList(node: Node<'list'>, raw: unknown, context: ReadContext, path: (string | number)[]): unknown {
  if (!Array.isArray(raw)) return wrongType('a list', raw, context, path);
  if (raw.length > node.max) {
    return fail(context, path, 'too-long', { message: `${raw.length} entries`, expected: `at most ${node.max}` });
  }
  if (raw.length < node.min) {
    return fail(context, path, 'missing-field', { message: `${raw.length} entries`, expected: `at least ${node.min}` });
  }
  const values: unknown[] = [];
  const seen = new Map<unknown, number>();
  for (const [index, rawItem] of raw.entries()) {
    path.push(index);
    const value = readValue(node.item, rawItem, context, path);
    values.push(value);
    if (node.uniqueBy !== undefined && value !== undefined) {
      // Read values have their fields in the order of the table, so equal ones are written equally.
      const whole = typeof value === 'object' ? JSON.stringify(value) : value;
      const key = node.uniqueBy === '' ? whole : (value as Record<string, unknown>)[node.uniqueBy];
      const first = key === undefined ? undefined : seen.get(key);
      if (first !== undefined) {
        const shown = typeof value === 'object' && node.uniqueBy === '' ? 'the same' : quoteValue(key);
        const message = `${shown} stands at [${first}] already`;
        if (node.uniqueBy !== '') path.push(node.uniqueBy);
        context.report(path, 'duplicate-entry', { message, expected: 'each once' }, true);
        if (node.uniqueBy !== '') path.pop();
      } else {
        seen.set(key, index);
      }
    }
    path.pop();
  }
  return values;
}

function readMap(node: Node<'map'>, raw: unknown, context: ReadContext, path: (string | number)[]): unknown {
  if (!isMap(raw)) return wrongType('a map', raw, context, path);
  const names = Object.keys(raw);
  if (names.length > node.max) {
    return fail(context, path, 'too-long', { message: `${names.length} entries`, expected: `at most ${node.max}` });
  }
  const value: Record<string, unknown> = {};
  for (const name of names) {
    path.push(name);
    if (node.key.matches(name)) value[name] = readValue(node.value, raw[name], context, path);
    else context.report(path, 'bad-value', { message: `bad key ${quoteValue(name)}`, expected: node.key.expected });
    path.pop();
  }
  return value;
}

type ScalarNode = Exclude<SchemaNode, { type: 'object' | 'list' | 'map' | 'foreign' | 'notServed' }>;
type ScalarReport = (code: ProblemCodeName, text: ProblemText) => void;

function readScalar(node: ScalarNode, raw: unknown, report: ScalarReport): unknown {
  const expected = describe(node);
  const bad = (code: ProblemCodeName, message = `${quoteValue(raw)} is not allowed`): undefined => {
    report(code, { message, expected });
    return undefined;
  };
  const wrong = (): undefined => bad('wrong-type', `${quoteValue(raw)} has the wrong type`);
  switch (node.type) {
    case 'string': {
      if (typeof raw !== 'string') return wrong();
      if (raw.length > node.maxLength) return bad('too-long', `${raw.length} characters`);
      if (raw.length < node.minLength || (node.format !== undefined && !node.format.matches(raw)))
        return bad('bad-value');
      return raw;
    }
    case 'enum': {
      if (typeof raw !== 'string' && typeof raw !== 'number') return wrong();
      if (node.values.includes(raw)) return raw;
      if (node.unserved.includes(raw)) {
        return bad('unsupported-value', `${quoteValue(raw)} is not served yet`);
      }
      const nearest = nearestWord(String(raw), node.values.map(String));
      const fix = nearest === undefined ? '' : `Did you mean "${nearest}"?`;
      report('bad-value', { message: `${quoteValue(raw)} is not allowed`, expected, fix });
      return undefined;
    }
    case 'number': {
      if (typeof raw !== 'number' || !Number.isFinite(raw)) return wrong();
      if (node.integer && !Number.isSafeInteger(raw)) return bad('wrong-type');
      return raw >= node.min && raw <= node.max ? raw : bad('out-of-range', `${raw} is out of range`);
    }
    case 'boolean':
      return typeof raw === 'boolean' ? raw : wrong();
    case 'duration': {
      if (typeof raw !== 'string') return wrong();
      const ms = readDurationMs(raw);
      if (ms === undefined) return bad('bad-value', `${quoteValue(raw)} is not a duration`);
      return ms >= node.minMs && ms <= node.maxMs ? ms : bad('out-of-range', `${quoteValue(raw)} is out of range`);
    }
    case 'quantity': {
      if (typeof raw !== 'string' && typeof raw !== 'number') return wrong();
      const bytes = readQuantityBytes(String(raw));
      if (bytes === undefined) return bad('bad-value', `${quoteValue(raw)} is not a size`);
      return bytes <= node.maxBytes ? bytes : bad('out-of-range', `${quoteValue(raw)} is out of range`);
    }
    case 'status': {
      if (typeof raw !== 'string') return wrong();
      const match = /^([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?$/.exec(raw);
      if (match === null) return bad('bad-value');
      const from = Number(match[1]);
      const to = Number(match[2] ?? match[1]);
      return from <= to ? { from, to } : bad('bad-value', `${quoteValue(raw)} ends before it begins`);
    }
    case 'portOrName': {
      if (typeof raw === 'number')
        return Number.isInteger(raw) && raw >= 1 && raw <= 65_535 ? raw : bad('out-of-range');
      if (typeof raw !== 'string') return wrong();
      return /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/.test(raw) ? raw : bad('bad-value');
    }
    case 'timestamp': {
      const ms = typeof raw === 'string' && raw.length <= 40 ? Date.parse(raw) : Number.NaN;
      return Number.isNaN(ms) ? bad('bad-value') : ms;
    }
  }
}

/** What a schema takes, as a noun phrase. */
export function describe(node: SchemaNode): string {
  switch (node.type) {
    case 'string':
      return node.format?.expected ?? `a text of ${node.minLength} to ${node.maxLength} characters`;
    case 'enum':
      return node.values.length === 1 ? String(node.values[0]) : `one of ${node.values.join(', ')}`;
    case 'number':
      return `${node.integer ? 'a whole number' : 'a number'} from ${node.min} to ${node.max}`;
    case 'boolean':
      return 'true or false';
    case 'duration':
      return `a duration from ${writeDuration(node.minMs)} to ${writeDuration(node.maxMs)}, such as 250ms or 1h30m`;
    case 'quantity':
      return `a size up to ${node.maxBytes} bytes, such as 64Ki`;
    case 'status':
      return 'a status or a range in quotes, such as "503" or "500-599"';
    case 'portOrName':
      return 'a port from 1 to 65535 or the name of one';
    case 'timestamp':
      return 'an RFC 3339 time';
    case 'list':
      return 'a list';
    default:
      return 'a map';
  }
}

export function isMap(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

function wrongType(expected: string, raw: unknown, context: ReadContext, path: FieldPath): undefined {
  return fail(context, path, 'wrong-type', { message: `${quoteValue(raw)} has the wrong type`, expected });
}

function fail(context: ReadContext, path: FieldPath, code: ProblemCodeName, text: ProblemText): undefined {
  context.report(path, code, text);
  return undefined;
}
