/** Counts the objects of a heap snapshot, as V8 writes it for DevTools, by the name of their constructor. */
import { readFileSync } from 'node:fs';

export interface Population {
  readonly count: number;
  /** Of the objects themselves, without what they refer to. */
  readonly bytes: number;
}

/** `type name`: `object Exchange`, `closure onRead`, `native Node / TLSWrap`; text and numbers by their type alone. Code is left out. */
export type Census = ReadonlyMap<string, Population>;

/** The part of the file that is read. A node is so many numbers in a row, named by `node_fields`. */
interface SnapshotFile {
  readonly snapshot: {
    readonly meta: { readonly node_fields: readonly string[]; readonly node_types: readonly (readonly string[])[] };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

const named: ReadonlySet<string> = new Set(['object', 'closure', 'native']);

export function readCensus(path: string): Census {
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(path, 'utf8')) as SnapshotFile;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const typeAt = fields.indexOf('type');
  const nameAt = fields.indexOf('name');
  const sizeAt = fields.indexOf('self_size');
  const typeNames = types[typeAt]!;
  const census = new Map<string, { count: number; bytes: number }>();
  for (let node = 0; node < nodes.length; node += fields.length) {
    const type = typeNames[nodes[node + typeAt]!]!;
    // Compiled with use, and thrown away without: nothing that a count can be held to.
    if (type === 'code' || type === 'hidden') continue;
    const key = named.has(type) ? `${type} ${strings[nodes[node + nameAt]!]!}` : type;
    const known = census.get(key);
    if (known === undefined) census.set(key, { count: 1, bytes: nodes[node + sizeAt]! });
    else {
      known.count += 1;
      known.bytes += nodes[node + sizeAt]!;
    }
  }
  return census;
}

/** What there is more of, for each of `shares`; what has not grown by a tenth of one each is left out. */
export function growthPer(shares: number, before: Census, after: Census): Census {
  const growth = new Map<string, Population>();
  for (const [key, { count, bytes }] of after) {
    const earlier = before.get(key);
    const each = (count - (earlier?.count ?? 0)) / shares;
    if (each < 0.1) continue;
    growth.set(key, { count: each, bytes: (bytes - (earlier?.bytes ?? 0)) / shares });
  }
  return growth;
}
