import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import { type ConfigObject, type ObjectKey, keyOf } from '../kinds/kind-table.ts';
import { type ObjectRef, type Problem, problemOf } from '../problem/problem.ts';
import { readDocuments } from './document-reader.ts';
import { type ReadOptions, readObject } from './object-reader.ts';

export interface SourceFile {
  /** As problems shall show it. */
  readonly file: string;
  readonly text: string;
}

export interface FileSetResult {
  readonly objects: readonly ConfigObject[];
  /** Objects that were refused, as far as they said who they are. */
  readonly refused: readonly { readonly ref: ObjectRef; readonly problems: readonly Problem[] }[];
  /** All problems, warnings of accepted objects and faults of whole documents included, in order of file and place. */
  readonly problems: readonly Problem[];
}

/**
 * Reads a whole directory's worth of files. Of two objects with one name the first by file name and place holds and the
 * other is refused, so that the result depends on what the files are called, never on the order they were listed in.
 */
export function readFileSet(files: readonly SourceFile[], options: ReadOptions = {}): FileSetResult {
  const objects = new Map<ObjectKey, { object: ConfigObject; place: string }>();
  const refused: { ref: ObjectRef; problems: readonly Problem[] }[] = [];
  const problems: Problem[] = [];
  for (const { file, text } of [...files].sort((left, right) => byCodeUnit(left.file, right.file))) {
    const read = readDocuments(text, file);
    const found: Problem[] = [...read.problems];
    for (const { raw, origin } of read.documents) {
      const { object, ref, problems: own } = readObject(raw, origin, options);
      found.push(...own);
      if (object === undefined) {
        refused.push({ ref, problems: own });
        continue;
      }
      const first = objects.get(keyOf(object));
      if (first === undefined) {
        objects.set(keyOf(object), { object, place: `${file}:${origin.line}` });
        continue;
      }
      const problemText = { message: `the object stands at ${first.place} already`, fix: 'Remove one of the two.' };
      const problem = problemOf('duplicate-object', problemText, [], ref, origin.locate([]));
      found.push(problem);
      refused.push({ ref, problems: [problem] });
    }
    problems.push(...found.sort((left, right) => (left.origin?.line ?? 0) - (right.origin?.line ?? 0)));
  }
  return { objects: [...objects.values()].map(({ object }) => object), refused, problems };
}
