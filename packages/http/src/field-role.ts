import { FieldId, fieldIdCount } from './field-id.ts';
import { droppedFields } from './field-rule.ts';
import { FieldFlag } from './head.ts';

/** What the reader of a head does with a field, by its id: one load decides that for most of them nothing is to be done. */
export const FieldRole = {
  None: 0,
  /** Not copied to the next hop. */
  Drop: 1,
  /** The same, and it means something for the message. */
  Rule: 2,
  /** Has no place in the version. */
  Forbidden: 3,
} as const;

/** A table of roles by id: `Drop` for what is never copied, `Rule` for `ruled`, `Forbidden` for `forbidden`. */
export function fieldRoles(ruled: readonly FieldId[], forbidden: readonly FieldId[] = []): Uint8Array {
  const table = new Uint8Array(fieldIdCount);
  for (let id = 0; id < fieldIdCount; id += 1) {
    table[id] = droppedFields[id] === FieldFlag.Drop ? FieldRole.Drop : FieldRole.None;
  }
  for (const id of forbidden) table[id] = FieldRole.Forbidden;
  for (const id of ruled) table[id] = FieldRole.Rule;
  return table;
}

/** Where the fields lie that may stand once in a head, whatever the version; -1 where there is none. */
export interface SingleFields {
  host: number;
  contentLength: number;
  expect: number;
}

/** Marks field `index`: a detail when there was one of its id before, and for ids that no rule knows. */
export function markSingle(marks: SingleFields, id: number, index: number): string {
  switch (id) {
    case FieldId.Host:
      if (marks.host >= 0) return 'duplicate-host';
      marks.host = index;
      return '';
    case FieldId.ContentLength:
      if (marks.contentLength >= 0) return 'duplicate-content-length';
      marks.contentLength = index;
      return '';
    case FieldId.Expect:
      if (marks.expect >= 0) return 'duplicate-expect';
      marks.expect = index;
      return '';
    default:
      return 'field-name-lookalike';
  }
}
