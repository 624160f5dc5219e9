/** Counted over all pools of one destination; read by telemetry. */
export interface PoolCounters {
  connects: number;
  connectFailures: number;
  handshakes: number;
  handshakeMsTotal: number;
  /** Connections of every version. */
  open: number;
  /** Of them, those that carry no request. */
  idle: number;
  /** Of them, those that speak HTTP/2. */
  openHttp2: number;
  /** Requests under way on them. */
  streams: number;
  /** Times that a request body had to wait for the peer of an HTTP/2 connection to take more. */
  stalls: number;
  pending: number;
  overflow: number;
}

/** Nothing has been counted yet. */
export function poolCounters(): PoolCounters {
  return {
    connects: 0,
    connectFailures: 0,
    handshakes: 0,
    handshakeMsTotal: 0,
    open: 0,
    idle: 0,
    openHttp2: 0,
    streams: 0,
    stalls: 0,
    pending: 0,
    overflow: 0,
  };
}
