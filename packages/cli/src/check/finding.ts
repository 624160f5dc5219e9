import {
  type Condition,
  Model,
  type ObjectRef,
  type ObjectStatus,
  type Problem,
  type ProblemOrigin,
  type SourceFile,
  keyOf,
  readDocuments,
  readFileSet,
  readObject,
  statusOf,
} from '@weft/model';
import { checkPattern } from '@weft/routing';

/** One thing that `weft check` has to say. */
export interface Finding {
  /** A code of the reader (docs/problems.md), or the reason of a condition, such as `BackendNotFound`. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
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

export interface CheckResult {
  readonly files: number;
  readonly objects: number;
  /** In order of file and line. */
  readonly findings: readonly Finding[];
}

/**
 * Checks files as the control plane would take them: each object for itself (errors: it would be refused), then all of them
 * together (warnings: it would be taken, but something it names is missing, or another object outranks it).
 */
export function checkFiles(files: readonly SourceFile[]): CheckResult {
  const { objects, refused, problems } = readFileSet(files, { checkRegularExpression: checkPattern });
  const findings = problems.map(fromProblem);
  const model = new Model();
  model.applyChanges(objects.map((object) => ({ type: 'Upsert', object })));
  const places = placesOf(files);
  for (const object of objects) {
    const status = statusOf(model, keyOf(object));
    if (status === undefined) continue;
    const place = places.get(`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`);
    for (const { condition, about } of unmet(status)) {
      findings.push(fromCondition(condition, about, status.object, place));
    }
  }
  const order = new Map(files.map(({ file }, index) => [file, index]));
  const rank = ({ file }: Finding): number => order.get(file) ?? -1;
  findings.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
  return { files: files.length, objects: objects.length + refused.length, findings };
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

function nameOf({ namespace, name }: ObjectRef): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

function fromProblem(problem: Problem): Finding {
  const { code, severity, object, path, message, expected, fix, origin } = problem;
  const { file, line, column } = origin ?? { file: '', line: 1, column: 1 };
  return { code, severity, file, line, column, object, path, message, expected, fix };
}

function fromCondition(
  condition: Condition,
  about: string,
  object: ObjectRef,
  place: ProblemOrigin | undefined,
): Finding {
  const { file, line, column } = place ?? { file: '', line: 1, column: 1 };
  const said = condition.message === '' ? `${condition.type} is ${condition.status}` : condition.message;
  const message = about === '' ? said : `${about}: ${said}`;
  return {
    code: condition.reason,
    severity: 'warning',
    file,
    line,
    column,
    object,
    path: '',
    message,
    expected: '',
    fix: '',
  };
}

function* unmet(status: ObjectStatus): Generator<{ condition: Condition; about: string }> {
  for (const condition of status.conditions) if (isUnmet(condition)) yield { condition, about: '' };
  for (const { parent, conditions } of status.parents) {
    const about = `${parent.kind} ${parent.namespace === '' ? '' : `${parent.namespace}/`}${parent.name}`;
    for (const condition of conditions) if (isUnmet(condition)) yield { condition, about };
  }
  for (const { name, conditions } of status.listeners) {
    for (const condition of conditions) if (isUnmet(condition)) yield { condition, about: `listener ${name}` };
  }
}

/** Nothing has been pushed here, so `Programmed` means nothing; `Conflicted` is the one condition that is bad when true. */
function isUnmet({ type, status }: Condition): boolean {
  if (type === 'Programmed') return false;
  return type === 'Conflicted' ? status === 'True' : status === 'False';
}

/** Where each object's name stands, the first of equals. */
function placesOf(files: readonly SourceFile[]): Map<string, ProblemOrigin> {
  const places = new Map<string, ProblemOrigin>();
  for (const { file, text } of files) {
    for (const { raw, origin } of readDocuments(text, file).documents) {
      const { ref } = readObject(raw, origin);
      const key = `${ref.kind}/${ref.namespace}/${ref.name}`;
      if (!places.has(key)) places.set(key, origin.locate(['metadata', 'name']));
    }
  }
  return places;
}
