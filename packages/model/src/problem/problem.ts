import { type ProblemCodeName, problemCodes } from './problem-code.ts';

/** One thing wrong with one object, with all a person needs to mend it. Lines and columns count from 1. */
export interface Problem {
  readonly code: ProblemCodeName;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** What would have been right, as a noun phrase: `a duration such as 250ms`. Empty when the message says it all. */
  readonly expected: string;
  /** `spec.rules[0].backendRefs[1].port`; empty for the whole object. */
  readonly path: string;
  readonly object: ObjectRef;
  /** Undefined when the object did not come from a file. */
  readonly origin: ProblemOrigin | undefined;
  /** What to do, as a sentence; empty when nothing better than `expected` can be said. */
  readonly fix: string;
}

/** Fields are empty when the document did not get as far as saying them. */
export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

export interface ProblemOrigin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What one problem says beyond its place. */
export interface ProblemText {
  readonly message: string;
  readonly expected?: string;
  readonly fix?: string;
}

export type FieldPath = readonly (string | number)[];

export const noObject: ObjectRef = { apiVersion: '', kind: '', namespace: '', name: '' };

export function problemOf(
  code: ProblemCodeName,
  text: ProblemText,
  path: FieldPath,
  object: ObjectRef,
  origin: ProblemOrigin | undefined,
): Problem {
  return {
    code,
    severity: problemCodes[code].severity,
    message: text.message,
    expected: text.expected ?? '',
    path: fieldPathText(path),
    object,
    origin,
    fix: text.fix ?? '',
  };
}

/** `spec.rules[0].matches`, with keys that are not plain words in brackets and quotes. */
export function fieldPathText(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(part)) text += `[${JSON.stringify(clip(part))}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** `file:line:column: error: HTTPRoute shop/cart spec.rules[0].name: message (expected …). Fix.`: one line. */
export function formatProblem(problem: Problem): string {
  const { object, origin } = problem;
  const where = origin === undefined ? '' : `${origin.file}:${origin.line}:${origin.column}: `;
  const owner = object.kind === '' ? '' : `${object.kind} ${objectName(object)}`;
  const place = [owner, problem.path].filter((part) => part !== '').join(' ');
  const expected = problem.expected === '' ? '' : ` (expected ${problem.expected})`;
  const fix = problem.fix === '' ? '' : `. ${problem.fix}`;
  return `${where}${problem.severity}: ${place === '' ? '' : `${place}: `}${problem.message}${expected}${fix}`;
}

/** Quoted for a message, on one line and of bounded length, whatever a file holds. */
export function quoteValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(clip(value));
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : 'a map';
}

function objectName(object: ObjectRef): string {
  return object.namespace === '' ? object.name : `${object.namespace}/${object.name}`;
}

function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
