import { type JsonMap, mapOf } from './json-map.ts';

/** One operation of a JSON patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'add' | 'replace';
  /** A JSON pointer (RFC 6901). */
  readonly path: string;
  readonly value: unknown;
}

/**
 * The patch that makes `after` of `before`, field by field of `metadata` and `spec`: injection adds and changes fields there and
 * removes none. Fields that are alike give no operation.
 */
export function patchOf(before: JsonMap, after: JsonMap): readonly PatchOperation[] {
  const operations: PatchOperation[] = [];
  for (const part of ['metadata', 'spec']) {
    const old = mapOf(before[part]);
    const present = new Set(Object.keys(old));
    if (before[part] === undefined) {
      if (after[part] !== undefined) operations.push({ op: 'add', path: `/${part}`, value: after[part] });
      continue;
    }
    for (const [field, value] of Object.entries(mapOf(after[part]))) {
      if (value === old[field] || JSON.stringify(value) === JSON.stringify(old[field])) continue;
      operations.push({ op: present.has(field) ? 'replace' : 'add', path: `/${part}/${escaped(field)}`, value });
    }
  }
  return operations;
}

function escaped(field: string): string {
  return field.replaceAll('~', '~0').replaceAll('/', '~1');
}
