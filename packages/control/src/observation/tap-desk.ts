import { type Result, type TimerWheel, fail, ok } from '@weft/kernel';
import type { CallFault, TapEvent, TapRequest } from '@weft/wire';
import type { ProxyRecord, ProxyRegistry } from '../proxy-registry.ts';
import { workloadOf } from './reporter.ts';

const DEFAULT_MS = 600_000;
/** Taps at once, each of all the proxies that fit. */
const MOST_TAPS = 8;

/** Lets people watch live requests. The proxies filter; here is only handed on. */
export class TapDesk {
  private readonly registry: ProxyRegistry;
  private readonly wheel: TimerWheel;
  private open: number;

  constructor(registry: ProxyRegistry, wheel: TimerWheel) {
    this.registry = registry;
    this.wheel = wheel;
    this.open = 0;
  }

  /** Until the returned function is called; `ended` is called when the time is over or no proxy is left. */
  tap(
    request: TapRequest,
    emit: (event: TapEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): Result<() => void, CallFault> {
    if (this.open >= MOST_TAPS) {
      return fail({ code: 'ResourceExhausted', message: `${MOST_TAPS} taps are open; end one of them first` });
    }
    const chosen = this.choose(request.target);
    if (!chosen.ok) return chosen;
    const records = chosen.value;
    const lastsMs = request.lastsMs === 0 ? DEFAULT_MS : request.lastsMs;
    const stops: (() => void)[] = [];
    let isOpen = true;
    this.open += 1;
    const stop = (): void => {
      if (!isOpen) return;
      isOpen = false;
      this.open -= 1;
      timer.cancel();
      for (const one of stops) one();
    };
    const timer = this.wheel.schedule(lastsMs, () => {
      stop();
      ended(null);
    });
    let left = records.length;
    for (const { name, session } of records) {
      stops.push(
        session.tap(request.filter, lastsMs, (tapped) => {
          if (!isOpen) return;
          if (tapped !== null) emit({ proxy: name, requests: tapped.requests, dropped: tapped.dropped, replicas: [] });
          else if ((left -= 1) === 0) {
            stop();
            ended({ code: 'Unavailable', message: 'no proxy that is tapped is connected any more' });
          }
        }),
      );
    }
    return ok(stop);
  }

  /** The proxy of this name, or those beside a workload; all for no name. */
  private choose(target: string): Result<readonly ProxyRecord[], CallFault> {
    const connected = Array.from(this.registry.records).filter(({ isConnected }) => isConnected);
    const records = target === '' ? connected : connected.filter((record) => isMeant(record, target));
    if (records.length > 0) return ok(records);
    const known = [...new Set(connected.map(({ hello }) => workloadOf(hello)))].sort();
    const hint = known.length === 0 ? 'no proxy is connected' : `there are ${known.slice(0, 40).join(', ')}`;
    return fail({ code: 'NotFound', message: `no proxy of ${target} is connected; ${hint}` });
  }
}

/** `shop/orders`, `orders`, `shop/orders-1f2e`. */
function isMeant({ name, hello }: ProxyRecord, target: string): boolean {
  const workload = workloadOf(hello);
  return [name, workload, workload.split('/')[1], name.split('/')[1]].includes(target);
}
