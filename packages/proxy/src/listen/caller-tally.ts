import { callerKinds } from '@weft/telemetry';
import type { CallerFacts, CallerKind } from '@weft/telemetry';
import type { HttpProtocol } from '../exchange/downstream-stream.ts';
import type { Ingress } from '../exchange/ingress.ts';

export function callerKindOf({ kind, peerIdentity }: Ingress): CallerKind {
  if (kind === 'gateway') return 'edge';
  if (kind !== 'inbound') return 'local';
  return peerIdentity === '' ? 'plain' : 'mesh';
}

/** Counts open connections by who calls on them; made for one scrape. */
export class CallerTally {
  private readonly counts: Record<CallerKind, { caller: CallerKind } & Writable<CallerFacts>>;

  constructor() {
    const none = (caller: CallerKind) => ({ caller, http1Connections: 0, http2Connections: 0, streams: 0 });
    this.counts = { local: none('local'), mesh: none('mesh'), plain: none('plain'), edge: none('edge') };
  }

  add(ingress: Ingress, protocol: HttpProtocol, busyCount: number): void {
    const count = this.counts[callerKindOf(ingress)];
    if (protocol === 'http1') count.http1Connections += 1;
    else {
      count.http2Connections += 1;
      count.streams += busyCount;
    }
  }

  facts(): readonly CallerFacts[] {
    return callerKinds.map((caller) => this.counts[caller]);
  }
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };
