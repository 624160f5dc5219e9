import type { Proxy } from '@weft/proxy';

/** What a supervisor learns when a proxy is ready. Map keys are texts: ports, or `namespace/service:port`. */
export interface ReadyLine {
  readonly pid: number;
  readonly identity: string;
  readonly version: string;
  readonly outboundPort: number;
  readonly inboundPorts: Readonly<Record<string, number>>;
  readonly gatewayPorts: Readonly<Record<string, number>>;
  readonly localPorts: Readonly<Record<string, number>>;
  /** Keys of `localPorts` whose address takes any TCP client. */
  readonly opaque: readonly string[];
  readonly statsPort: number;
  readonly metricsPort: number;
  readonly adminSocket: string;
}

export function readyLine(proxy: Proxy): ReadyLine {
  return {
    pid: process.pid,
    identity: proxy.identity,
    version: proxy.stats().version,
    outboundPort: proxy.outboundPort,
    inboundPorts: Object.fromEntries(proxy.inboundPorts),
    gatewayPorts: Object.fromEntries(proxy.gatewayPorts),
    localPorts: Object.fromEntries(proxy.localPorts),
    opaque: proxy.opaqueDestinations,
    statsPort: proxy.statsPort,
    metricsPort: proxy.metricsPort,
    adminSocket: proxy.adminSocket,
  };
}
