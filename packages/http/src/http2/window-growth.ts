/** Bytes in flight on paths that need no more than the window they have. */
const ALPHA = 0.9;

/** Fewer bytes are no measure, and with tiny windows a PING for every few of them would look like a flood. */
const LEAST_BYTES = 4096;

/**
 * How large a receive window the path needs, by its bandwidth-delay product: a PING goes out with the data, and what
 * arrives until its answer is what was in flight. The window doubles that while the bandwidth still rises, as gRPC and
 * the Go and nghttp2 servers do it.
 *
 *   Idle -data-> Measuring (PING sent) -ack-> Idle
 */
export class WindowGrowth {
  /** Window for a stream, as measured so far. Never falls. */
  windowBytes: number;
  private readonly maxBytes: number;
  private measuring: boolean;
  private sentMs: number;
  private bytes: number;
  private bestBytesPerMs: number;
  private roundTripMs: number;

  constructor(windowBytes: number, maxBytes: number) {
    this.windowBytes = windowBytes;
    this.maxBytes = maxBytes;
    this.measuring = false;
    this.sentMs = 0;
    this.bytes = 0;
    this.bestBytesPerMs = 0;
    this.roundTripMs = 0;
  }

  /** Data has arrived. True: a PING is to be sent now. Small transfers never measure: they teach nothing. */
  onData(bytes: number, nowMs: number): boolean {
    this.bytes += bytes;
    if (this.measuring || this.windowBytes >= this.maxBytes) return false;
    if (this.bytes < this.windowBytes / 4 || this.bytes < LEAST_BYTES) return false;
    this.measuring = true;
    this.sentMs = nowMs;
    this.bytes = 0;
    return true;
  }

  /** The PING was answered. True when `windowBytes` has grown. */
  onAck(nowMs: number): boolean {
    if (!this.measuring) return false;
    this.measuring = false;
    const sampleMs = Math.max(nowMs - this.sentMs, 0.01);
    this.roundTripMs = this.roundTripMs === 0 ? sampleMs : ALPHA * this.roundTripMs + (1 - ALPHA) * sampleMs;
    const inFlight = this.bytes;
    this.bytes = 0;
    const bytesPerMs = inFlight / (this.roundTripMs * 1.5);
    if (inFlight < (this.windowBytes * 2) / 3 || bytesPerMs <= this.bestBytesPerMs) return false;
    this.bestBytesPerMs = bytesPerMs;
    this.windowBytes = Math.min(this.maxBytes, inFlight * 2);
    return true;
  }
}
