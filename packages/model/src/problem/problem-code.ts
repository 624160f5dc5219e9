/**
 * Every way in which a configuration can be wrong, as a table: the reason that an object's `Accepted` condition gets, and
 * what a code means in general (documentation and SARIF rules are made from it). The message of one problem is its own.
 */
export interface ProblemCode {
  readonly severity: 'error' | 'warning';
  /** Reason of the condition `Accepted: False` of a refused object. */
  readonly reason: 'Invalid' | 'UnsupportedValue';
  readonly text: string;
}

export const problemCodes = {
  'document-too-large': error('A file or document is larger than the reader takes.'),
  'too-many-documents': error('A file holds more documents than the reader takes.'),
  'too-many-values': error('A document holds more values, after aliases are expanded, than the reader takes.'),
  'too-deep': error('A document is nested deeper than the reader takes.'),
  syntax: error('The text is not YAML 1.2.'),
  'unsupported-tag': error('YAML tags beyond the core schema are not read.'),
  'duplicate-key': error('The same key stands twice in one map.'),
  'forbidden-key': error('A key that could change how objects behave in memory is refused.'),
  'not-an-object': error('A document must be a map with apiVersion, kind, metadata and spec.'),
  'unknown-kind': error('No kind of that apiVersion and name is known.'),
  'kind-not-served': unsupported('The kind is planned but not served by this version.'),
  'unknown-field': error('The kind has no such field; nothing is ignored silently.'),
  'missing-field': error('A required field is absent.'),
  'wrong-type': error('A value has the wrong type.'),
  'bad-value': error('A value is malformed or not one of those allowed.'),
  'out-of-range': error('A number, duration or size is outside its bounds.'),
  'too-long': error('A text, list or map has more entries or characters than allowed.'),
  'duplicate-entry': error('An entry that must be unique in its list stands there twice.'),
  'conflicting-fields': error('Fields that exclude or need one another are set wrongly.'),
  'duplicate-object': error('Two objects have the same kind, namespace and name.'),
  'unsupported-value': unsupported('The standard knows the value, this version does not serve it.'),
  'not-served-yet': unsupported(
    'The field is planned but not served by this version; it is refused rather than ignored.',
  ),
  'not-honoured': warning('A field of a Kubernetes object that this version does not act on.'),
  'listener-not-served': warning('A Gateway listener that this version understands but does not serve.'),
} as const satisfies Readonly<Record<string, ProblemCode>>;

export type ProblemCodeName = keyof typeof problemCodes;

function error(text: string): ProblemCode {
  return { severity: 'error', reason: 'Invalid', text };
}

function unsupported(text: string): ProblemCode {
  return { severity: 'error', reason: 'UnsupportedValue', text };
}

function warning(text: string): ProblemCode {
  return { severity: 'warning', reason: 'Invalid', text };
}
