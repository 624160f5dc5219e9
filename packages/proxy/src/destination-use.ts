import type { Clock, TimerWheel } from '@weft/kernel';
import type { DestinationKey } from '@weft/model';

/** What is asked of the line to the control plane, and of what serves. */
export interface DestinationUsePort {
  /** Destinations that requests were for since the last call, and those with requests under way. */
  takeUsed(): Iterable<DestinationKey>;
  readonly subscribed: ReadonlySet<DestinationKey>;
  readonly connected: boolean;
  subscribe(keys: readonly DestinationKey[]): void;
  unsubscribe(keys: readonly DestinationKey[]): void;
}

/** An hour: what is called once in a while pays a round trip then, what is not called pays nothing. */
export const unusedAfterMs = 3_600_000;
const SWEEP_MS = 60_000;

/**
 * Lets go of destinations that nobody has called for an hour, so that memory follows use: routes, endpoints and pools of
 * an unsubscribed destination go with the control plane's next transaction. Nothing is let go while the control plane is
 * away, because nothing could be had again.
 */
export class DestinationUse {
  private readonly port: DestinationUsePort;
  private readonly clock: Clock;
  private readonly wheel: TimerWheel;
  private readonly lastUsedMs: Map<DestinationKey, number>;

  constructor(port: DestinationUsePort, clock: Clock, wheel: TimerWheel) {
    this.port = port;
    this.clock = clock;
    this.wheel = wheel;
    this.lastUsedMs = new Map();
  }

  start(): void {
    this.wheel.schedule(SWEEP_MS, () => {
      this.sweep();
      this.start();
    });
  }

  private sweep(): void {
    const { port, lastUsedMs } = this;
    const nowMs = this.clock.nowMs();
    const wantedAgain: DestinationKey[] = [];
    for (const key of port.takeUsed()) {
      lastUsedMs.set(key, nowMs);
      // Called between the word that nobody wants it and its removal.
      if (!port.subscribed.has(key)) wantedAgain.push(key);
    }
    if (wantedAgain.length > 0) port.subscribe(wantedAgain);
    if (!port.connected) return;
    const unused: DestinationKey[] = [];
    for (const key of port.subscribed) {
      const usedMs = lastUsedMs.get(key);
      if (usedMs === undefined) lastUsedMs.set(key, nowMs);
      else if (nowMs - usedMs >= unusedAfterMs) unused.push(key);
    }
    if (unused.length > 0) port.unsubscribe(unused);
    for (const key of lastUsedMs.keys()) if (!port.subscribed.has(key)) lastUsedMs.delete(key);
  }
}
