import type { BackendTransition } from '@weft/decision';
import type { DestinationKey } from '@weft/model';
import { registerProxyFacts } from '@weft/telemetry';
import type { CallerFacts, CertificateFacts, LineSink, SeriesTable } from '@weft/telemetry';
import type { LoopWatch } from './admin/loop-watch.ts';
import type { DataPlane } from './data-plane.ts';

interface StateChanges {
  opened: number;
  ejected: number;
}

/**
 * What a thread that serves counts beside its requests: pools, breakers, ejections, its loop and its log, and the certificates
 * that it serves with at the edge.
 */
export class ServingFacts {
  private readonly changes: Map<DestinationKey, StateChanges>;

  constructor(
    series: SeriesTable,
    plane: DataPlane,
    watch: LoopWatch,
    lines: LineSink,
    sources: { callers(): Iterable<CallerFacts>; certificates(): Iterable<CertificateFacts> },
  ) {
    this.changes = new Map();
    const backends = () => [...plane.tables.backends()];
    registerProxyFacts(series, {
      callers: () => sources.callers(),
      certificates: () => sources.certificates(),
      pools: () =>
        Array.from(plane.counters, ([destination, counters]) => ({
          destination,
          openConnections: counters.open,
          openHttp2: counters.openHttp2,
          streams: counters.streams,
          stalls: counters.stalls,
          idleConnections: counters.idle,
          pendingRequests: counters.pending,
          connects: counters.connects,
          connectFailures: counters.connectFailures,
        })),
      breakers: () => {
        const nowMs = plane.tick();
        return backends().flatMap((backend) => {
          const { state } = backend.snapshot(nowMs).breaker;
          const opened = this.changes.get(backend.key)?.opened ?? 0;
          return state === 'off' ? [] : [{ destination: backend.key, state, opened }];
        });
      },
      endpoints: () =>
        backends().map((backend) => ({
          destination: backend.key,
          endpoints: backend.endpoints.length,
          ejected: backend.endpoints.filter((endpoint) => endpoint.ejected).length,
          ejections: this.changes.get(backend.key)?.ejected ?? 0,
        })),
      loop: () => watch.loop(),
      log: () => ({ writtenLines: lines.writtenLines, droppedLines: lines.droppedLines }),
    });
  }

  changed(event: BackendTransition): void {
    if (event.type !== 'opened' && event.type !== 'ejected') return;
    let counts = this.changes.get(event.backend);
    if (counts === undefined) this.changes.set(event.backend, (counts = { opened: 0, ejected: 0 }));
    counts[event.type] += 1;
  }
}
