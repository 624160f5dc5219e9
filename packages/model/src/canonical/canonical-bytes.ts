import { Buffer } from 'node:buffer';
import { assert } from '@weft/kernel';

/**
 * Deterministic bytes of plain data: JSON in UTF-8 with the keys of every map sorted by code unit and no white space. Lists
 * keep their order, so whoever builds a resource sorts what is a set (endpoints by key, services by name, hosts). Equal
 * data gives equal bytes on every machine. Throws `InvariantError` for `undefined`, functions and numbers JSON can't write.
 */
export function canonicalBytes(value: unknown): Buffer {
  return Buffer.from(canonicalText(value), 'utf8');
}

function canonicalText(value: unknown): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      assert(Number.isFinite(value), 'canonical data holds finite numbers only');
      return JSON.stringify(value);
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
      const map = value as Readonly<Record<string, unknown>>;
      const names = Object.keys(map).sort(byCodeUnit);
      return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalText(map[name])}`).join(',')}}`;
    }
    default:
      assert(false, `canonical data can't hold ${typeof value}`);
      return '';
  }
}

/** Order of every sorted set in a view: by UTF-16 code unit, never by locale. */
export function byCodeUnit(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
