import { type ConfigObject, type KindEntry, kindTable, plannedKinds } from '../kinds/kind-table.ts';
import { type Metadata, type RawMetadata, metadataSchema } from '../kinds/metadata.ts';
import type { ProblemCodeName } from '../problem/problem-code.ts';
import {
  type FieldPath,
  type ObjectRef,
  type Problem,
  type ProblemText,
  problemOf,
  quoteValue,
} from '../problem/problem.ts';
import { nearestWord } from '../schema/nearest-word.ts';
import { type ReadContext, isMap, readValue } from '../schema/value-reader.ts';
import type { DocumentOrigin } from './document-origin.ts';

export interface ReadOptions {
  /** Says what is wrong with a regular expression in RE2 syntax; absent: only its length is checked here. */
  readonly checkRegularExpression?: (pattern: string) => string | undefined;
}

export interface ReadResult {
  /** What the document calls itself, as far as it could be read; for status and messages of refused objects too. */
  readonly ref: ObjectRef;
  /** Undefined when any problem is an error. */
  readonly object: ConfigObject | undefined;
  readonly problems: readonly Problem[];
}

/** The namespace of objects that name none. */
export const defaultNamespace = 'default';

/**
 * Reads one untrusted object (a YAML document, or JSON from an API server) into a checked one. Never throws on input.
 * Reports all problems; nothing is clamped, no default is filled in.
 */
export function readObject(raw: unknown, origin?: DocumentOrigin, options: ReadOptions = {}): ReadResult {
  const problems: Problem[] = [];
  const ref = refOf(raw);
  const report = (path: FieldPath, code: ProblemCodeName, text: ProblemText): void => {
    problems.push(problemOf(code, text, path, ref, origin?.locate(path, code === 'unknown-field')));
  };
  const refused = (): ReadResult => ({ ref, object: undefined, problems });
  if (!isMap(raw)) {
    report([], 'not-an-object', {
      message: `${quoteValue(raw)} is not an object`,
      expected: 'apiVersion, kind, metadata and spec',
    });
    return refused();
  }
  const entry = readKind(raw, report);
  if (entry === undefined) return refused();
  const context: ReadContext = {
    report,
    checkRegularExpression: options.checkRegularExpression ?? ((): undefined => undefined),
  };
  for (const name of Object.keys(raw)) {
    if (topLevelFields.includes(name)) continue;
    const nearest = nearestWord(name, topLevelFields);
    const fix = nearest === undefined ? 'Remove it.' : `Did you mean "${nearest}"?`;
    report([name], 'unknown-field', { message: `unknown field ${quoteValue(name)}`, fix });
  }
  const metadata = readMetadata(raw, entry, ref, context);
  const rawSpec = ownValue(raw, 'spec') ?? (entry.specOptional ? {} : undefined);
  if (rawSpec === undefined) report(['spec'], 'missing-field', { message: 'spec is missing', expected: 'a map' });
  const spec = rawSpec === undefined ? undefined : readValue(entry.spec.node, rawSpec, context, ['spec']);
  if (metadata === undefined || problems.some(({ severity }) => severity === 'error')) return refused();
  // The schema of the kind made this value, which TypeScript can't follow through a table of kinds.
  const object = { apiVersion: ref.apiVersion, kind: entry.kind, metadata, spec } as ConfigObject;
  return { ref, object, problems };
}

const topLevelFields: readonly string[] = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

function readKind(raw: Readonly<Record<string, unknown>>, report: ReadContext['report']): KindEntry | undefined {
  const apiVersion = ownValue(raw, 'apiVersion');
  const kind = ownValue(raw, 'kind');
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    for (const [name, value] of [
      ['apiVersion', apiVersion],
      ['kind', kind],
    ] as const) {
      if (typeof value === 'string') continue;
      const code = value === undefined ? 'missing-field' : 'wrong-type';
      report([name], code, {
        message: value === undefined ? `${name} is missing` : `${quoteValue(value)} has the wrong type`,
        expected: 'a text',
      });
    }
    return undefined;
  }
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const entry = [...kindTable.values()].find((each) => each.kind === kind);
  if (entry?.apiVersions.includes(apiVersion) === true) return entry;
  if (entry !== undefined) {
    const expected = entry.apiVersions.join(' or ');
    report(['apiVersion'], 'unknown-kind', { message: `${kind} is not of ${quoteValue(apiVersion)}`, expected });
  } else if (plannedKinds.has(kind) && (group === 'weft.dev' || group === 'gateway.networking.k8s.io')) {
    report(['kind'], 'kind-not-served', { message: `${kind} is not served yet`, fix: 'Remove the object.' });
  } else {
    const nearest = nearestWord(kind, [...kindTable.keys()]);
    const fix = nearest === undefined ? `Known: ${[...kindTable.keys()].join(', ')}.` : `Did you mean "${nearest}"?`;
    report(['kind'], 'unknown-kind', { message: `unknown kind ${quoteValue(kind)} of ${quoteValue(apiVersion)}`, fix });
  }
  return undefined;
}

function readMetadata(
  raw: Readonly<Record<string, unknown>>,
  entry: KindEntry,
  ref: ObjectRef,
  context: ReadContext,
): Metadata | undefined {
  const rawMetadata = ownValue(raw, 'metadata');
  if (rawMetadata === undefined) {
    context.report(['metadata'], 'missing-field', { message: 'metadata is missing', expected: 'a map with name' });
    return undefined;
  }
  const read = readValue(metadataSchema.node, rawMetadata, context, ['metadata']) as Partial<RawMetadata> | undefined;
  if (read === undefined) return undefined;
  if (entry.scope === 'Cluster' && read.namespace !== undefined) {
    const message = `${entry.kind} is cluster-scoped and has no namespace`;
    context.report(['metadata', 'namespace'], 'conflicting-fields', { message, fix: 'Remove namespace.' });
  }
  if (entry.kind === 'Mesh' && read.name !== undefined && read.name !== 'default') {
    context.report(['metadata', 'name'], 'bad-value', {
      message: `${quoteValue(read.name)} is not allowed`,
      expected: 'default: there is one Mesh',
    });
  }
  return {
    name: ref.name,
    namespace: ref.namespace,
    labels: read.labels ?? {},
    generation: read.generation ?? 0,
    createdAtMs: read.creationTimestamp ?? 0,
  };
}

function refOf(raw: unknown): ObjectRef {
  if (!isMap(raw)) return { apiVersion: '', kind: '', namespace: '', name: '' };
  const metadata = ownValue(raw, 'metadata');
  const kind = textOf(ownValue(raw, 'kind'));
  const scope = [...kindTable.values()].find((entry) => entry.kind === kind)?.scope;
  const namespace = isMap(metadata) ? textOf(ownValue(metadata, 'namespace')) : '';
  return {
    apiVersion: textOf(ownValue(raw, 'apiVersion')),
    kind,
    namespace: scope === 'Namespaced' && namespace === '' ? defaultNamespace : scope === 'Cluster' ? '' : namespace,
    name: isMap(metadata) ? textOf(ownValue(metadata, 'name')) : '',
  };
}

function ownValue(raw: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(raw, name) && raw[name] !== null ? raw[name] : undefined;
}

/** Bounded: a reference stands in messages and status before anything has been checked. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 253) : '';
}
