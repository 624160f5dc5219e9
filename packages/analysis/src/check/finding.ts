import { type FieldPath, type ObjectRef, type Problem, type ProblemOrigin, fieldPathText } from '@weft/model';

export type Severity = 'error' | 'warning' | 'note';

/** One thing that a check has to say. */
export interface Finding {
  /** A code of the reader (docs/problems.md), a lint, or the reason of a condition, such as `BackendNotFound`. */
  readonly code: string;
  /** `error`: the object would be refused. `warning`: taken, but hardly meant. `note`: worth knowing. */
  readonly severity: Severity;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly object: ObjectRef;
  /** `spec.rules[0].backendRefs[1].port`; empty for the whole object. */
  readonly path: string;
  readonly message: string;
  readonly expected: string;
  readonly fix: string;
}

/** What is wrong at one place of an object that would be taken. */
export interface Complaint {
  readonly code: string;
  readonly severity: Severity;
  readonly object: ObjectRef;
  readonly path: FieldPath;
  readonly message: string;
  readonly fix: string;
}

/** `file:line:column: error: HTTPRoute shop/cart spec.rules[0]: message (expected …). What to do.` */
export function formatFinding(finding: Finding): string {
  const { file, line, column, severity, object, path, message, expected, fix } = finding;
  const owner = object.kind === '' ? '' : `${object.kind} ${nameOf(object)}`;
  const place = [owner, path].filter((part) => part !== '').join(' ');
  const wanted = expected === '' ? '' : ` (expected ${expected})`;
  const advice = fix === '' ? '' : `. ${fix}`;
  return `${file}:${line}:${column}: ${severity}: ${place === '' ? '' : `${place}: `}${message}${wanted}${advice}`;
}

export function fromProblem(problem: Problem): Finding {
  const { code, severity, object, path, message, expected, fix, origin } = problem;
  return { code, severity, ...placeOf(origin), object, path, message, expected, fix };
}

export function fromComplaint(complaint: Complaint, origin: ProblemOrigin | undefined): Finding {
  const { code, severity, object, path, message, fix } = complaint;
  return { code, severity, ...placeOf(origin), object, path: fieldPathText(path), message, expected: '', fix };
}

function placeOf(origin: ProblemOrigin | undefined): ProblemOrigin {
  return origin ?? { file: '', line: 1, column: 1 };
}

function nameOf({ namespace, name }: ObjectRef): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}
