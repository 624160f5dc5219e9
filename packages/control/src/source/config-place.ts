import { type Problem, type ReadResult, readDocuments, readObject } from '@weft/model';
import { checkPattern } from '@weft/routing';

/** One file, or whatever a source has in its place: read, but not yet weighed against the others. Immutable. */
export interface ConfigPlace {
  /** The file's path, as people should see it. */
  readonly name: string;
  readonly objects: readonly PlacedObject[];
  /** Of the place itself: documents that could not be parsed, a file that could not be read. */
  readonly problems: readonly Problem[];
  /** False when part of it could not be read: then what is absent is not known to be gone. */
  readonly whole: boolean;
}

export interface PlacedObject {
  readonly result: ReadResult;
  /** As it was written: for people to see again. */
  readonly raw: unknown;
  readonly line: number;
}

/** Reads the YAML or JSON text of one place. Never throws on input; the text itself is not kept. */
export function readPlace(name: string, text: string): ConfigPlace {
  const { documents, problems } = readDocuments(text, name);
  return {
    name,
    objects: documents.map(({ raw, origin }) => ({
      result: readObject(raw, origin, { checkRegularExpression: checkPattern }),
      raw,
      line: origin.line,
    })),
    problems,
    whole: problems.length === 0,
  };
}

/** A place that is there but can't be read. */
export function unreadablePlace(name: string, reason: string): ConfigPlace {
  const problem: Problem = {
    code: 'syntax',
    severity: 'error',
    message: `the file cannot be read: ${reason}`,
    expected: '',
    path: '',
    object: { apiVersion: '', kind: '', namespace: '', name: '' },
    origin: { file: name, line: 1, column: 1 },
    fix: 'Give the control plane leave to read it, or remove it.',
  };
  return { name, objects: [], problems: [problem], whole: false };
}
