import type { ConnectionFacts } from '@weft/wire';
import { registerProxyFacts } from '@weft/telemetry';
import type { SeriesTable } from '@weft/telemetry';
import { readProcessFacts } from './admin/process-facts.ts';
import type { ResourceStore } from './resource-store.ts';
import type { MeshTls } from './security/mesh-tls.ts';
import type { Serving } from './serving.ts';

/** What the metrics of a process are read from, at a scrape and at no other time. */
export interface ProcessSources {
  readonly serving: Serving;
  readonly tls: MeshTls;
  readonly version: string;
  /** Unix milliseconds. */
  readonly startMs: number;
  store(): ResourceStore;
  connection(): ConnectionFacts;
  reconnects(): number;
}

/** Registers the metrics that there is one of however many threads serve. */
export function registerProcessFacts(series: SeriesTable, sources: ProcessSources): void {
  const { serving, tls, version, startMs } = sources;
  registerProxyFacts(series, {
    certificates: () => {
      const { svid, bundle } = tls;
      const roots = bundle.roots.map(({ fingerprint, facts }) => ({
        kind: 'root' as const,
        identity: fingerprint.slice(0, 16),
        notAfterMs: facts.notAfterMs,
      }));
      return [{ kind: 'leaf' as const, identity: svid.id, notAfterMs: svid.notAfterMs }, ...roots];
    },
    configuration: () => {
      const { applied, rejected, lastAppliedWallMs } = sources.store();
      return {
        version: serving.inForce.version,
        applied,
        rejected,
        lastAppliedMs: lastAppliedWallMs,
        applyMaxMs: serving.load.longestStallMs,
      };
    },
    control: () => ({ connected: sources.connection().state === 'connected', reconnects: sources.reconnects() }),
    process: () => readProcessFacts(version, startMs),
  });
}
