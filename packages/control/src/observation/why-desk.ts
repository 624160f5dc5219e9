import type { TimerWheel } from '@weft/kernel';
import { byCodeUnit } from '@weft/model';
import type { Answer, AskedRing, WhyResponse } from '@weft/wire';
import type { ProxyRecord, ProxyRegistry } from '../proxy-registry.ts';
import { type Found as FoundHop, orderHops } from './hop-order.ts';
import { workloadOf } from './reporter.ts';

/** All questions of one `why` together. */
const PATIENCE_MS = 1_000;
/** Hops of one answer; a trace that has more is shown in part. */
const MOST_HOPS = 5_000;

interface Found {
  readonly rings: AskedRing[];
  readonly hops: Map<string, FoundHop>;
}

/** Asks all proxies what they remember of one request. */
export class WhyDesk {
  private readonly registry: ProxyRegistry;
  private readonly wheel: TimerWheel;

  constructor(registry: ProxyRegistry, wheel: TimerWheel) {
    this.registry = registry;
    this.wheel = wheel;
  }

  /**
   * Answers after a second at the latest, with whatever came. A request id leads to its trace: the other hops are asked for
   * in the time that is left.
   */
  async find(request: string): Promise<WhyResponse> {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const timer = this.wheel.schedule(PATIENCE_MS, end);
    const first = await this.round(request, over);
    const traces = new Set<string>();
    for (const { hop } of first.hops.values())
      if (hop.traceId !== '' && hop.traceId !== request) traces.add(hop.traceId);
    for (const trace of [...traces].slice(0, 4)) {
      const more = await this.round(trace, over);
      for (const [key, hop] of more.hops) first.hops.set(key, hop);
    }
    timer.cancel();
    const rings = first.rings.sort((left, right) => byCodeUnit(left.proxy, right.proxy));
    return { hops: orderHops([...first.hops.values()].slice(0, MOST_HOPS)), rings };
  }

  private async round(request: string, over: Promise<void>): Promise<Found> {
    const found: Found = { rings: [], hops: new Map() };
    const asked = Array.from(this.registry.records, (record) => this.ask(record, request, found));
    await Promise.race([Promise.all(asked.map(({ done }) => done)), over]);
    for (const { proxy, isAnswered } of asked) {
      if (!isAnswered()) found.rings.push({ proxy, silent: 'no answer within a second', reach: null });
    }
    // What comes later is not looked at any more.
    return { rings: [...found.rings], hops: new Map(found.hops) };
  }

  private ask(
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
  if (answer === null) found.rings.push({ proxy, silent: 'its stream is gone', reach: null });
  else if (answer.reach === null) found.rings.push({ proxy, silent: 'it keeps no decisions', reach: null });
  else found.rings.push({ proxy, silent: '', reach: answer.reach });
  for (const hop of answer?.hops ?? []) {
    const key = `${proxy} ${hop.direction} ${hop.requestId} ${hop.traceId} ${hop.startedAtMs} ${hop.path}`;
    found.hops.set(key, {
      proxy,
      workload: workloadOf(record.hello),
      hop,
      identity: record.peer.id,
      addresses: record.hello.listeners.map(({ address, port }) => `${address}:${port}`),
    });
  }
}
