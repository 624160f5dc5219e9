import { isDeepStrictEqual } from 'node:util';
import {
  type Change,
  type ConfigObject,
  type ObjectKey,
  type ObjectRef,
  type Problem,
  kindTable,
  objectKey,
} from '@weft/model';
import type { ConfigPlace, PlacedObject } from './source/config-place.ts';
import type { SetDelta } from './source/object-source.ts';

/** What is known of one object: as it stands in force, and as it was last written. */
export interface ObjectRecord {
  readonly key: ObjectKey;
  readonly ref: ObjectRef;
  /** Where it was last seen, and the line there. */
  readonly place: string;
  readonly line: number;
  /** As it was last written. */
  readonly raw: unknown;
  readonly problems: readonly Problem[];
  /** What is in force: undefined when no version of it was ever good. */
  readonly object: ConfigObject | undefined;
  /** What was last written is not what is in force. */
  readonly isRefused: boolean;
}

export interface StoreUpdate {
  readonly changes: readonly Change[];
  /** Records and problems that were not there before, to be told of. */
  readonly news: readonly Problem[];
  readonly refused: readonly ObjectRecord[];
}

interface Candidate {
  readonly place: ConfigPlace;
  readonly object: PlacedObject;
}

/**
 * Weighs a source's sets: which version of each object is in force, and what is wrong. A bad object is refused alone and its
 * last good version stays; an object that is absent is gone, unless its place can't be read in full or holds something
 * that can't be told by name, which may be that very object with a slip of the pen.
 */
export class ConfigStore {
  private recordsByKey: Map<ObjectKey, ObjectRecord>;
  private strayProblems: readonly Problem[];
  private told: Set<Problem>;
  private readonly keyByPlace: Map<string, ObjectKey>;

  constructor() {
    this.recordsByKey = new Map();
    this.strayProblems = [];
    this.told = new Set();
    this.keyByPlace = new Map();
  }

  get records(): ReadonlyMap<ObjectKey, ObjectRecord> {
    return this.recordsByKey;
  }

  /** Problems that belong to no object with a name: files that could not be parsed, documents without a kind. */
  get problems(): readonly Problem[] {
    return this.strayProblems;
  }

  /** Takes in a whole set. */
  replace(places: readonly ConfigPlace[]): StoreUpdate {
    const candidates = new Map<ObjectKey, Candidate[]>();
    const doubtful = new Set<string>();
    const stray: Problem[] = [];
    for (const place of places) {
      stray.push(...place.problems);
      if (!place.whole) doubtful.add(place.name);
      for (const object of place.objects) {
        const { ref, problems } = object.result;
        if (!isNamed(ref)) {
          doubtful.add(place.name);
          stray.push(...problems);
          continue;
        }
        const key = objectKey(ref.kind, ref.namespace, ref.name);
        const rivals = candidates.get(key);
        if (rivals === undefined) candidates.set(key, [{ place, object }]);
        else rivals.push({ place, object });
      }
    }
    const before = this.recordsByKey;
    const records = new Map<ObjectKey, ObjectRecord>();
    for (const [key, rivals] of candidates) records.set(key, recordOf(key, rivals, before.get(key)));
    for (const [key, record] of before) {
      if (!records.has(key) && doubtful.has(record.place)) records.set(key, record);
    }
    this.recordsByKey = records;
    this.keyByPlace.clear();
    for (const [key, { place }] of records) this.keyByPlace.set(place, key);
    this.strayProblems = stray;
    return { changes: changesBetween(before, records), ...this.news(before, records) };
  }

  /**
   * Takes in what differs from the set before: costs what changed, not what there is. For sources that keep one object to a
   * place, and each object in one place.
   */
  patch({ changed, removed }: SetDelta): StoreUpdate {
    const changes: Change[] = [];
    const news: Problem[] = [];
    const refused: ObjectRecord[] = [];
    const forget = (record: ObjectRecord): void => {
      for (const problem of record.problems) this.told.delete(problem);
    };
    for (const name of removed) {
      const key = this.keyByPlace.get(name);
      const record = key === undefined ? undefined : this.recordsByKey.get(key);
      if (key === undefined || record === undefined || record.place !== name) continue;
      this.keyByPlace.delete(name);
      this.recordsByKey.delete(key);
      forget(record);
      if (record.object !== undefined) changes.push({ type: 'Remove', key });
    }
    for (const place of changed) {
      const object = place.objects[0];
      if (object === undefined || !isNamed(object.result.ref)) continue;
      const { kind, namespace, name } = object.result.ref;
      const key = objectKey(kind, namespace, name);
      const before = this.recordsByKey.get(key);
      const { result, raw, line } = object;
      const record: ObjectRecord = {
        key,
        ref: result.ref,
        place: place.name,
        line,
        raw,
        problems: result.problems,
        // What a source of differences hands over has changed, be it in what stands around the object.
        object: result.object ?? before?.object,
        isRefused: result.object === undefined,
      };
      this.keyByPlace.set(place.name, key);
      this.recordsByKey.set(key, record);
      if (before !== undefined) forget(before);
      for (const problem of record.problems) {
        if (!(before?.problems ?? []).includes(problem)) news.push(problem);
        this.told.add(problem);
      }
      if (record.isRefused && record.raw !== before?.raw) refused.push(record);
      if (record.object !== undefined && record.object !== before?.object) {
        changes.push({ type: 'Upsert', object: record.object });
      }
    }
    return { changes, news, refused };
  }

  private news(
    before: ReadonlyMap<ObjectKey, ObjectRecord>,
    records: ReadonlyMap<ObjectKey, ObjectRecord>,
  ): Pick<StoreUpdate, 'news' | 'refused'> {
    const all = new Set(this.strayProblems);
    const refused: ObjectRecord[] = [];
    for (const [key, record] of records) {
      for (const problem of record.problems) all.add(problem);
      const known = before.get(key);
      if (record.isRefused && record !== known && record.raw !== known?.raw) refused.push(record);
    }
    const news = [...all].filter((problem) => !this.told.has(problem));
    this.told = all;
    return { news, refused };
  }
}

function isNamed(ref: ObjectRef): boolean {
  return ref.name !== '' && kindTable.has(ref.kind as Parameters<typeof kindTable.has>[0]);
}

/** Of several the one whose place already holds the object stands, else the first by the name of its place. */
function recordOf(key: ObjectKey, rivals: readonly Candidate[], before: ObjectRecord | undefined): ObjectRecord {
  const chosen = rivals.find(({ place }) => place.name === before?.place) ?? rivals[0]!;
  const { result, raw, line } = chosen.object;
  const problems = [...result.problems];
  for (const rival of rivals) if (rival !== chosen) problems.push(duplicateProblem(rival, chosen));
  const isRefused = result.object === undefined;
  // The same text read once: nothing to tell apart.
  if (before !== undefined && before.raw === raw && before.place === chosen.place.name) {
    if (sameProblems(before.problems, problems)) return before;
  }
  return {
    key,
    ref: result.ref,
    place: chosen.place.name,
    line,
    raw,
    problems,
    // What was only moved about in its file, or read again with it, has not changed.
    object: isUnchanged(before, chosen) ? before?.object : (result.object ?? before?.object),
    isRefused,
  };
}

function isUnchanged(before: ObjectRecord | undefined, { object }: Candidate): boolean {
  if (before?.object === undefined || before.isRefused || object.result.object === undefined) return false;
  return before.raw === object.raw || isDeepStrictEqual(before.raw, object.raw);
}

/** Problems of reading are the same objects from one set to the next; those of duplicates are made anew. */
function sameProblems(before: readonly Problem[], after: readonly Problem[]): boolean {
  return (
    before.length === after.length &&
    after.every((problem, index) => {
      const other = before[index];
      return problem === other || (problem.code === 'duplicate-object' && problem.message === other?.message);
    })
  );
}

function duplicateProblem(rival: Candidate, chosen: Candidate): Problem {
  const { ref } = rival.object.result;
  const here = `${rival.place.name}:${rival.object.line}`;
  const there = `${chosen.place.name}:${chosen.object.line}`;
  return {
    code: 'duplicate-object',
    severity: 'error',
    message: `${ref.kind} ${ref.name} stands at ${here} and at ${there}; the one at ${there} is in force`,
    expected: '',
    path: 'metadata.name',
    object: ref,
    origin: { file: rival.place.name, line: rival.object.line, column: 1 },
    fix: 'Remove one of the two.',
  };
}

function changesBetween(
  before: ReadonlyMap<ObjectKey, ObjectRecord>,
  after: ReadonlyMap<ObjectKey, ObjectRecord>,
): Change[] {
  const changes: Change[] = [];
  for (const [key, { object }] of before) {
    if (object !== undefined && after.get(key)?.object === undefined) changes.push({ type: 'Remove', key });
  }
  for (const [key, { object }] of after) {
    if (object !== undefined && before.get(key)?.object !== object) changes.push({ type: 'Upsert', object });
  }
  return changes;
}
