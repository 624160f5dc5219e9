import type { Clock, Result, TimerWheel } from '@weft/kernel';
import { byCodeUnit } from '@weft/model';
import type { Answer, AskedRing, CallFault, FoundHop, PeerWhyResponse, WhyResponse } from '@weft/wire';
import type { ProxyRecord, ProxyRegistry } from '../proxy-registry.ts';
import { orderHops } from './hop-order.ts';
import { workloadOf } from './reporter.ts';

/** All questions of one `why` together. */
const PATIENCE_MS = 1_000;
/** Of it, what the way between replicas may take. */
const WAY_MS = 100;
/** Hops of one answer; a trace that has more is shown in part. */
const MOST_HOPS = 5_000;

/** What another replica's proxies remember, or why it did not say. */
export interface ElsewhereAnswer {
  readonly replica: string;
  readonly answer: Result<PeerWhyResponse, CallFault>;
}

/** Asks the other replicas; each answers within `awaitMs`, or not at all. */
export type AskElsewhere = (request: string, awaitMs: number) => Promise<readonly ElsewhereAnswer[]>;

interface Found {
  readonly rings: Map<string, AskedRing>;
  readonly hops: Map<string, FoundHop>;
}

interface Round extends Found {
  /** All said something in time, be it why they cannot answer. */
  readonly isWhole: boolean;
}

/** Asks all proxies what they remember of one request: those with a stream here, and through the other replicas theirs. */
export class WhyDesk {
  private readonly registry: ProxyRegistry;
  private readonly wheel: TimerWheel;
  private readonly clock: Clock;
  private readonly elsewhere: AskElsewhere;

  constructor(registry: ProxyRegistry, wheel: TimerWheel, clock: Clock, elsewhere: AskElsewhere) {
    this.registry = registry;
    this.wheel = wheel;
    this.clock = clock;
    this.elsewhere = elsewhere;
  }

  /**
   * Answers after a second at the latest, with whatever came. A request id leads to its trace: the other hops are asked for
   * in the time that is left.
   */
  async find(request: string): Promise<WhyResponse> {
    const untilMs = this.clock.nowMs() + PATIENCE_MS;
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const timer = this.wheel.schedule(PATIENCE_MS, end);
    const first = await this.round(request, untilMs, over);
    const traces = new Set<string>();
    for (const { hop } of first.hops.values())
      if (hop.traceId !== '' && hop.traceId !== request) traces.add(hop.traceId);
    let asked = first.rings;
    for (const trace of [...traces].slice(0, 4)) {
      const more = await this.round(trace, untilMs, over);
      for (const [key, hop] of more.hops) first.hops.set(key, hop);
      // A replica that was reached only now has given its hops; it would be strange to read that it was not asked.
      if (more.isWhole) asked = more.rings;
    }
    timer.cancel();
    const rings = [...asked.values()].sort((left, right) => byCodeUnit(left.proxy, right.proxy));
    return { hops: orderHops([...first.hops.values()].slice(0, MOST_HOPS)), rings };
  }

  /** What those with a stream here remember, for another replica; after `awaitMs` at the latest. */
  async findHere(request: string, awaitMs: number): Promise<PeerWhyResponse> {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const timer = this.wheel.schedule(Math.min(awaitMs, PATIENCE_MS), end);
    const found = await this.ask(request, over, []);
    timer.cancel();
    return { hops: [...found.hops.values()].slice(0, MOST_HOPS), rings: [...found.rings.values()] };
  }

  private round(request: string, untilMs: number, over: Promise<void>): Promise<Round> {
    const awaitMs = Math.max(1, Math.floor(untilMs - this.clock.nowMs() - WAY_MS));
    return this.ask(request, over, [this.elsewhere(request, awaitMs)]);
  }

  private async ask(
    request: string,
    over: Promise<void>,
    others: readonly Promise<readonly ElsewhereAnswer[]>[],
  ): Promise<Round> {
    const found: Found = { rings: new Map(), hops: new Map() };
    const asked = Array.from(this.registry.records, (record) => this.askOne(record, request, found));
    const told = others.map(async (answers) => takeElsewhere(await answers, found));
    const all = Promise.all([...asked.map(({ done }) => done), ...told]).then(() => true);
    const isWhole = await Promise.race([all, over.then(() => false)]);
    for (const { proxy, isAnswered } of asked) {
      if (!isAnswered()) found.rings.set(proxy, { proxy, silent: 'no answer within a second', reach: null });
    }
    // What comes later is not looked at any more.
    return { rings: new Map(found.rings), hops: new Map(found.hops), isWhole };
  }

  private askOne(
    record: ProxyRecord,
    request: string,
    found: Found,
  ): { readonly proxy: string; readonly done: Promise<void>; readonly isAnswered: () => boolean } {
    const { name, session } = record;
    let answered = false;
    const done = new Promise<void>((resolve) => {
      const take = (answer: Answer | null): void => {
        answered = true;
        takeAnswer(record, answer, found);
        resolve();
      };
      if (record.isConnected) session.queryRequest(request, take);
      else take(null);
    });
    return { proxy: name, done, isAnswered: () => answered };
  }
}

function takeAnswer(record: ProxyRecord, answer: Answer | null, found: Found): void {
  const proxy = record.name;
  if (answer === null) putRing(found, { proxy, silent: 'its stream is gone', reach: null });
  else if (answer.reach === null) putRing(found, { proxy, silent: 'it keeps no decisions', reach: null });
  else putRing(found, { proxy, silent: '', reach: answer.reach });
  for (const hop of answer?.hops ?? []) {
    putHop(found, {
      proxy,
      workload: workloadOf(record.hello),
      hop,
      identity: record.peer.id,
      addresses: record.hello.listeners.map(({ address, port }) => `${address}:${port}`),
    });
  }
}

function takeElsewhere(answers: readonly ElsewhereAnswer[], found: Found): void {
  for (const { replica, answer } of answers) {
    if (!answer.ok) {
      const { message } = answer.error;
      const silent = `this replica of the control plane did not answer, so its sidecars were not asked: ${message}`;
      putRing(found, { proxy: `replica ${replica}`, silent, reach: null });
      continue;
    }
    for (const ring of answer.value.rings) putRing(found, ring);
    for (const hop of answer.value.hops) putHop(found, hop);
  }
}

/** A proxy that has just moved to another replica is known to both: an answer counts, silence does not. */
function putRing(found: Found, ring: AskedRing): void {
  if (ring.silent === '' || !found.rings.has(ring.proxy)) found.rings.set(ring.proxy, ring);
}

function putHop(found: Found, one: FoundHop): void {
  const { proxy, hop } = one;
  found.hops.set(`${proxy} ${hop.direction} ${hop.requestId} ${hop.traceId} ${hop.startedAtMs} ${hop.path}`, one);
}
