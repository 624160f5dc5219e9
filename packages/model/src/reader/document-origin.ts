import type { FieldPath, ProblemOrigin } from '../problem/problem.ts';

/** Where a document stands in a file, and where each of its fields does. Holds the parsed text: let go of it after reading. */
export interface DocumentOrigin {
  readonly file: string;
  /** Line of the document's first value. */
  readonly line: number;
  /**
   * The place of a field, or of the nearest one above it that is there. `atKey` asks for the place of its name even where
   * the value stands on the same line.
   */
  locate(path: FieldPath, atKey?: boolean): ProblemOrigin;
}
