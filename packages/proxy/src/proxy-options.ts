import type { KeyAgreement } from '@weft/identity';
import type { ProbeTable } from '@weft/injection';
import type { Clock, PortRange, Random } from '@weft/kernel';
import type { AccessLogWhen } from '@weft/telemetry';
import type { Tracing } from './exchange/exchange-spans.ts';
import type { ExportOptions } from './telemetry-exports.ts';
import type { Log } from './log.ts';

/** One port of the local application that peers may call. */
export interface InboundOptions {
  readonly applicationPort: number;
  /** As in the Service; may be empty. */
  readonly name: string;
  /** Where the application listens. */
  readonly applicationHost: string;
}

/** How a pod attests itself to a control plane of which it knows the roots. */
export interface PodToken {
  /** The token as it is now: the kubelet makes a new one before the old one ends. Throws when there is none. */
  readonly read: () => string;
  readonly rootsPem: string;
  readonly trustDomain: string;
}

/** Where captured connections come in. */
export interface CapturePorts {
  readonly inbound: number;
  readonly outbound: number;
  /** Leads to the metrics port, and nobody listens there: it answers when, and only when, what arrives is redirected. */
  readonly proof: number;
}

export interface ProxyOptions {
  readonly mode: 'sidecar' | 'gateway';
  readonly namespace: string;
  /** The workload: what `weft run` was given as service, or a deployment. */
  readonly name: string;
  readonly serviceAccount: string;
  /** Unique in the mesh for the life of the process. */
  readonly instance: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly node: string;
  readonly zone: string;
  readonly weight: number;
  /** The Service an ephemeral instance belongs to; empty when a `WorkloadEntry` stands in the configuration. */
  readonly service: string;
  /** `namespace/name` of the Gateway served; empty for a sidecar. */
  readonly gateway: string;
  /** `host:port` of the control plane; empty to serve from the stored snapshot alone, or to use the token's. */
  readonly controlAddress: string;
  readonly token: string;
  /** Attests a pod in place of a join token. */
  readonly podToken?: PodToken;
  /** Empty keeps nothing. */
  readonly stateFolder: string;
  readonly inbound: readonly InboundOptions[];
  /** Where peers reach the inbound listeners. */
  readonly meshHost: string;
  /** Of the explicit proxy for the local application; 0 takes a free one, -1 opens none. */
  readonly outboundPort: number;
  /** Carried as bytes where no declaration says what they speak, both ways. */
  readonly opaquePorts?: readonly PortRange[];
  /** Ports that rules of the kernel redirect to; absent without such rules. Then there is no listener for each port. */
  readonly capture?: CapturePorts;
  /** Opens a loopback address for each service that may be called, for programs that know no proxy. */
  readonly localAddresses: boolean;
  /** Address a gateway listens on. */
  readonly gatewayHost: string;
  /**
   * Certificates of HTTPS listeners: `<folder>/<namespace>/<name>/tls.crt` and `tls.key`. Empty: what the control plane sends of
   * the Secrets that the Gateway names, kept in the state folder.
   */
  readonly certificateFolder: string;
  /** Ports to listen on in place of a Gateway's declared ones; 0 takes a free one. Absent: the declared one. */
  readonly gatewayPorts: ReadonlyMap<number, number>;
  readonly statsPort: number;
  readonly metricsPort: number;
  readonly metricsHost: string;
  /** Made at the application for the kubelet, on the metrics port. */
  readonly applicationProbes?: ProbeTable;
  /** Who knows it may begin a drain by `/drain/wait` of the metrics port; empty or absent: nobody. */
  readonly drainKey?: string;
  /** Where the application's own metrics are read, to be added to ours. */
  readonly applicationMetrics?: { readonly port: number; readonly path: string };
  /** Empty: `admin.sock` in the state folder. */
  readonly adminSocket: string;
  readonly accessLog: AccessLogWhen;
  readonly drainDeadlineMs: number;
  readonly maxConnections: number;
  /** How long the next connections of an address wait after its first flood, in milliseconds; 0: never. 1,000 when absent. */
  readonly floodHoldMs?: number;
  readonly keyAgreement: KeyAgreement;
  readonly version: string;
  readonly log: Log;
  setLogLevel(level: string): boolean;
  /** Spans of requests go there, and each hop is one of its own in `traceparent`; absent: neither. */
  readonly tracing?: Tracing;
  /** Where spans and lines of the access log are sent; `traces` counts when `tracing` is absent. */
  readonly exports?: ExportOptions;
  /**
   * Threads that serve, which share the ports; 1 when absent: then this thread serves. Limits, budgets and caps are divided
   * by it; ejection, breakers and connection pools are each thread's own. `clock` and `random` stay with this thread.
   */
  readonly workers?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Where access log lines go; standard output when absent. */
  readonly accessLogFd?: number;
}
