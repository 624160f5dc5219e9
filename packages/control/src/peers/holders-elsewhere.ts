import type { Clock } from '@weft/kernel';
import { type ObjectKey, objectKey } from '@weft/model';
import type { CountHoldersResponse, ObjectHolders } from '@weft/wire';
import type { ObjectUse } from '../object-report.ts';
import type { ReplicaAnswer } from './peer-room.ts';

/** What each other replica answered when it was asked how many of its proxies use each object. */
export type HolderAnswers = readonly ReplicaAnswer<CountHoldersResponse>[];

interface Told {
  readonly objects: readonly ObjectHolders[];
  readonly atMs: number;
}

/** One that does not answer is believed for so long: its proxies are at another replica soon, and would be counted twice. */
const BELIEVED_MS = 30_000;

/** What proxies of all other replicas make of each object; of a replica that did not answer nothing. */
export function joinHolders(answers: HolderAnswers): ReadonlyMap<ObjectKey, ObjectUse> {
  return joined(answers.map(({ answer }) => (answer.ok ? answer.value.objects : [])));
}

/**
 * The same for status, which is written again and again: an answer that is missing once does not change what stands there. So status
 * and `weft get objects` count in one way, and differ by the time that has passed since the last question.
 */
export class HoldersElsewhere {
  private readonly ask: () => Promise<HolderAnswers>;
  private readonly clock: Clock;
  private told: ReadonlyMap<string, Told>;
  private held: ReadonlyMap<ObjectKey, ObjectUse>;

  constructor(ask: () => Promise<HolderAnswers>, clock: Clock) {
    this.ask = ask;
    this.clock = clock;
    this.told = new Map();
    this.held = new Map();
  }

  /** Asks all, and forgets those that are there no more. */
  async refresh(): Promise<void> {
    const answers = await this.ask();
    const nowMs = this.clock.nowMs();
    const told = new Map<string, Told>();
    for (const { replica, answer } of answers) {
      const one = answer.ok ? { objects: answer.value.objects, atMs: nowMs } : this.told.get(replica);
      if (one !== undefined && nowMs - one.atMs <= BELIEVED_MS) told.set(replica, one);
    }
    this.told = told;
    this.held = joined(Array.from(told.values(), ({ objects }) => objects));
  }

  /** As it was when they were asked last; undefined when no proxy elsewhere uses the object. */
  of(key: ObjectKey): ObjectUse | undefined {
    return this.held.get(key);
  }
}

function joined(lists: readonly (readonly ObjectHolders[])[]): ReadonlyMap<ObjectKey, ObjectUse> {
  const elsewhere = new Map<ObjectKey, ObjectUse>();
  for (const { kind, namespace, name, holders, behind, reasons } of lists.flat()) {
    const key = objectKey(kind, namespace, name);
    const known = elsewhere.get(key);
    elsewhere.set(key, {
      holders: holders + (known?.holders ?? 0),
      behind: behind + (known?.behind ?? 0),
      reasons: [...(known?.reasons ?? []), ...reasons],
    });
  }
  return elsewhere;
}
