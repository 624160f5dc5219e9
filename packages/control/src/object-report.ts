/** What became of each object, as people are shown it: conditions, problems, and how many proxies have it in force. */
import {
  type Condition as ModelCondition,
  type ObjectKey,
  type ObjectStatus as ModelStatus,
  type Problem,
  type ResourceKey,
  byCodeUnit,
  programmedCondition,
  statusOf,
  statusOfRefused,
} from '@weft/model';
import type { Condition, ListObjectsRequest, ObjectHolders, ObjectProblem, ObjectStatus } from '@weft/wire';
import { stringify } from 'yaml';
import type { ConfigStore, ObjectRecord } from './config-store.ts';
import { resourcesOf } from './object-resources.ts';
import type { Follower } from './push-progress.ts';
import type { ResourceIndex } from './resource-index.ts';

/** Files with documents that nobody can name are shown under this kind. */
const FILE_KIND = 'File';
/** YAML of an object that is larger than this is cut out of the answer's reach, not the answer. */
const MAX_YAML = 1024 * 1024;
/** Refusals that are told of one object. */
const MOST_REASONS = 3;
const nowhere: ObjectUse = { holders: 0, behind: 0, reasons: [] };

/** Who of the connected proxies uses a resource, and who of them does not have its newest version. */
export interface Use {
  readonly holders: readonly Follower[];
  readonly behind: readonly Follower[];
}

/** Conditions of an object by generation, and how far proxies have come; undefined for what no proxy gets. */
export interface Standing extends ModelStatus {
  readonly programmed: ModelCondition | undefined;
}

/** What proxies make of an object: those of this replica, of the others, or of all. */
export type ObjectUse = Pick<ObjectHolders, 'holders' | 'behind' | 'reasons'>;

export class ObjectReport {
  private readonly store: ConfigStore;
  private readonly index: ResourceIndex;
  private readonly followers: ReadonlySet<Follower>;

  constructor(store: ConfigStore, index: ResourceIndex, followers: ReadonlySet<Follower>) {
    this.store = store;
    this.index = index;
    this.followers = followers;
  }

  /**
   * Sorted by kind, namespace, name. The YAML is written when the request names one object. `elsewhere` are the proxies of other
   * replicas.
   */
  list(request: ListObjectsRequest, elsewhere: ReadonlyMap<ObjectKey, ObjectUse> = new Map()): ObjectStatus[] {
    const { kind, namespace, name } = request;
    const uses = new Map<ResourceKey, Use>();
    const statuses: ObjectStatus[] = [];
    for (const record of this.meant(request)) {
      statuses.push(this.report(record, uses, name !== '', elsewhere.get(record.key)));
    }
    if (namespace === '') statuses.push(...this.files(kind, name));
    return statuses.sort(
      (left, right) =>
        byCodeUnit(left.kind, right.kind) ||
        byCodeUnit(left.namespace, right.namespace) ||
        byCodeUnit(left.name, right.name),
    );
  }

  /** How many connected proxies use each object that is meant and used by any. */
  holders(request: ListObjectsRequest): ObjectHolders[] {
    const uses = new Map<ResourceKey, Use>();
    const found: ObjectHolders[] = [];
    for (const { ref, object } of this.meant(request)) {
      if (object === undefined) continue;
      const { holders, behind, reasons } = this.count(resourcesOf(this.index.model, object), uses);
      if (holders === 0) continue;
      const { kind, namespace, name } = ref;
      found.push({ kind, namespace, name, holders, behind, reasons: reasons.slice(0, MOST_REASONS) });
    }
    return found;
  }

  /**
   * What became of one object, in the shape that Kubernetes keeps; undefined when nothing is known of it. `elsewhere` are
   * proxies of other replicas.
   */
  standing(key: ObjectKey, uses: Map<ResourceKey, Use>, elsewhere: ObjectUse | undefined): Standing | undefined {
    const record = this.store.records.get(key);
    if (record === undefined) return undefined;
    const generation = generationOf(record.raw);
    const status = record.isRefused
      ? statusOfRefused(record.ref, record.problems, generation)
      : statusOf(this.index.model, key);
    if (status === undefined) return undefined;
    const keys = record.object === undefined ? [] : resourcesOf(this.index.model, record.object);
    if (keys.length === 0) return { ...status, programmed: undefined };
    return { ...status, programmed: programmedOf(this.countAll(keys, uses, elsewhere), generation) };
  }

  private *meant({ kind, namespace, name }: ListObjectsRequest): Generator<ObjectRecord> {
    for (const record of this.store.records.values()) {
      const { ref } = record;
      if (kind !== '' && ref.kind.toLowerCase() !== kind.toLowerCase()) continue;
      if ((namespace !== '' && ref.namespace !== namespace) || (name !== '' && ref.name !== name)) continue;
      yield record;
    }
  }

  private report(
    record: ObjectRecord,
    uses: Map<ResourceKey, Use>,
    withYaml: boolean,
    elsewhere: ObjectUse | undefined,
  ): ObjectStatus {
    const { ref, problems } = record;
    const generation = record.object?.metadata.generation ?? 0;
    const conditions: Condition[] = [];
    const status = record.isRefused ? statusOfRefused(ref, problems) : statusOf(this.index.model, record.key);
    for (const condition of status?.conditions ?? []) conditions.push({ ...pick(condition), about: '' });
    for (const { parent, conditions: own } of status?.parents ?? []) {
      const section = parent.sectionName === '' ? '' : `/${parent.sectionName}`;
      const about = `${parent.kind} ${parent.namespace}/${parent.name}${section}`;
      for (const condition of own) conditions.push({ ...pick(condition), about });
    }
    for (const { name, conditions: own } of status?.listeners ?? []) {
      for (const condition of own) conditions.push({ ...pick(condition), about: `listener ${name}` });
    }
    const keys = record.object === undefined ? [] : resourcesOf(this.index.model, record.object);
    const held = this.countAll(keys, uses, elsewhere);
    const { holders, behind, reasons } = held;
    if (keys.length > 0) {
      const programmed = pick(programmedOf(held, generation));
      const why = reasons.length === 0 ? '' : `; refused: ${reasons.slice(0, MOST_REASONS).join('; ')}`;
      const kept = record.isRefused ? '; this is the last good version' : '';
      conditions.push({ ...programmed, message: `${programmed.message}${why}${kept}`, about: '' });
    }
    const shown = { conditions, problems: problems.map(problemOf) };
    return {
      ...ref,
      ...shown,
      proxies: holders,
      programmed: holders - behind,
      file: record.place,
      line: record.line,
      yaml: withYaml ? yamlOf(record.raw, shown.conditions) : '',
    };
  }

  /** Of this replica and of the others. */
  private countAll(
    keys: readonly ResourceKey[],
    uses: Map<ResourceKey, Use>,
    { holders, behind, reasons }: ObjectUse = nowhere,
  ): ObjectUse {
    const here = this.count(keys, uses);
    return {
      holders: here.holders + holders,
      behind: here.behind + behind,
      reasons: [...here.reasons, ...reasons],
    };
  }

  private count(keys: readonly ResourceKey[], uses: Map<ResourceKey, Use>): ObjectUse {
    const holders = new Set<Follower>();
    const behind = new Set<Follower>();
    const reasons = new Set<string>();
    for (const key of keys) {
      let use = uses.get(key);
      if (use === undefined) {
        use = this.use(key);
        uses.set(key, use);
      }
      for (const follower of use.holders) holders.add(follower);
      for (const follower of use.behind) {
        behind.add(follower);
        const reason = follower.session.refusal(key);
        if (reason !== '') reasons.add(`${follower.session.hello.workload.instance}: ${reason}`);
      }
    }
    return { holders: holders.size, behind: behind.size, reasons: [...reasons] };
  }

  private use(key: ResourceKey): Use {
    const holders: Follower[] = [];
    const behind: Follower[] = [];
    for (const follower of this.followers) {
      const { session, view } = follower;
      const inForce = session.inForce(key);
      const current = session.wants(key) ? (view.lookup(key)?.hash ?? '') : '';
      if (inForce === '' && current === '') continue;
      holders.push(follower);
      if (inForce !== current) behind.push(follower);
    }
    return { holders, behind };
  }

  /** Files with problems that belong to no object that has a name. */
  private files(kind: string, name: string): ObjectStatus[] {
    if (kind !== '' && kind.toLowerCase() !== FILE_KIND.toLowerCase()) return [];
    const byFile = new Map<string, Problem[]>();
    for (const problem of this.store.problems) {
      const file = problem.origin?.file ?? '';
      if (name !== '' && name !== file) continue;
      const known = byFile.get(file);
      if (known === undefined) byFile.set(file, [problem]);
      else known.push(problem);
    }
    return Array.from(byFile, ([file, problems]) => {
      const ref = { apiVersion: '', kind: FILE_KIND, namespace: '', name: file };
      return {
        ...ref,
        conditions: statusOfRefused(ref, problems).conditions.map((condition) => ({ ...pick(condition), about: '' })),
        problems: problems.map(problemOf),
        proxies: 0,
        programmed: 0,
        file,
        line: problems[0]?.origin?.line ?? 0,
        yaml: '',
      };
    });
  }
}

function programmedOf({ holders, behind }: ObjectUse, generation: number): ModelCondition {
  return programmedCondition({ subscribers: holders, acknowledged: holders - behind, tooOld: 0 }, generation);
}

function pick(condition: Omit<Condition, 'about'>): Omit<Condition, 'about'> {
  const { type, status, reason, message } = condition;
  return { type, status, reason, message };
}

function problemOf({ code, severity, path, message, expected, fix, origin }: Problem): ObjectProblem {
  const { file = '', line = 0, column = 0 } = origin ?? {};
  return { code, severity, path, message, expected, fix, file, line, column };
}

function generationOf(raw: unknown): number {
  const { metadata } = (raw ?? {}) as { readonly metadata?: { readonly generation?: unknown } };
  return typeof metadata?.generation === 'number' ? metadata.generation : 0;
}

function yamlOf(raw: unknown, conditions: readonly Condition[]): string {
  if (typeof raw !== 'object' || raw === null) return '';
  const status = { conditions: conditions.map(({ about, ...rest }) => (about === '' ? rest : { ...rest, about })) };
  const text = stringify({ ...raw, status });
  return text.length > MAX_YAML ? `${text.slice(0, MAX_YAML)}\n# cut here\n` : text;
}
