/** The data plane: listeners, exchanges, pools, identity and admin of one sidecar or gateway. */
export type { Log, LogFields } from './log.ts';
export type { InboundOptions, PodToken, ProxyOptions } from './proxy-options.ts';
export { type Proxy, type ProxyStats, startProxy } from './proxy.ts';
export { controlPlaneId } from './security/workload-identity.ts';
export { serveAsWorker } from './worker-door.ts';
export type { Tracing } from './exchange/exchange-spans.ts';
