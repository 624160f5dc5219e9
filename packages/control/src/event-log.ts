import { type Clock, RingBuffer } from '@weft/kernel';
import type { MeshEvent } from '@weft/wire';
import type { Log } from './log.ts';

/** What happened lately, for people who ask and for those who watch. */
export class EventLog {
  private readonly replica: string;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly ring: RingBuffer<MeshEvent>;
  private readonly watchers: Set<(event: MeshEvent) => void>;

  /** A thousand: an hour of a busy mesh, in a third of a megabyte. */
  constructor(replica: string, clock: Clock, log: Log, capacity = 1000) {
    this.replica = replica;
    this.clock = clock;
    this.log = log;
    this.ring = new RingBuffer(capacity);
    this.watchers = new Set();
  }

  /** Remembers an event, says it in the log, and tells those who watch. `type` is a stable token. */
  add(severity: 'info' | 'warning' | 'error', type: string, subject: string, message: string): void {
    const event: MeshEvent = { atMs: this.clock.wallMs(), type, severity, subject, message, replica: this.replica };
    this.ring.push(event);
    const level = severity === 'warning' ? 'warn' : severity;
    this.log[level](message, { event: type, subject });
    for (const watcher of this.watchers) watcher(event);
  }

  /** Says the events remembered at once, then new ones until the returned function is called. */
  watch(emit: (event: MeshEvent) => void): () => void {
    for (const event of this.ring) emit(event);
    this.watchers.add(emit);
    return () => this.watchers.delete(emit);
  }
}
