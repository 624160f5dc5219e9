/** The rate is taken over so many samples: turns of a busy loop make single ones wrong by half. */
const SAMPLES = 3;

/** A larger window must have moved so much more; else it only lets more wait in the buffers between. */
const WORTHWHILE = 1.15;

/** So many rates in a row below half of the best one: the path is another, and what it needs is measured anew. */
const CHANGED_RATES = 3;

/** Answers within one turn of the loop say nothing of the path. */
const LEAST_SAMPLE_MS = 0.25;

/** Fewer bytes are no measure, and with tiny windows a PING for every few of them would look like a flood. */
const LEAST_BYTES = 4096;

/**
 * How large a receive window the path needs: a PING goes out with the data, and what arrives until its answer, over the
 * time it took, is the rate. While the window is what bounds it (most of one arrives in a round trip), the window doubles as
 * long as the rate rises with it. It stops where it does not: what a larger window adds then is a queue, in which
 * everything else on the connection waits, credit for the other direction included.
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
  /** Of the samples since the last rate. */
  private samples: number;
  private sampledBytes: number;
  private sampledMs: number;
  /** The rate with which the window grew last. */
  private bestBytesPerMs: number;
  private slowRates: number;

  constructor(windowBytes: number, maxBytes: number) {
    this.windowBytes = windowBytes;
    this.maxBytes = maxBytes;
    this.measuring = false;
    this.sentMs = 0;
    this.bytes = 0;
    this.samples = 0;
    this.sampledBytes = 0;
    this.sampledMs = 0;
    this.bestBytesPerMs = 0;
    this.slowRates = 0;
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
    const inFlight = this.bytes;
    this.bytes = 0;
    if (inFlight < (this.windowBytes * 2) / 3) return false;
    this.samples += 1;
    this.sampledBytes += inFlight;
    this.sampledMs += Math.max(nowMs - this.sentMs, LEAST_SAMPLE_MS);
    const best = this.bestBytesPerMs;
    if (best > 0 && this.samples < SAMPLES) return false;
    const bytesPerMs = this.sampledBytes / this.sampledMs;
    this.samples = 0;
    this.sampledBytes = 0;
    this.sampledMs = 0;
    if (bytesPerMs <= best * WORTHWHILE) {
      this.slowRates = bytesPerMs * 2 < best ? this.slowRates + 1 : 0;
      if (this.slowRates < CHANGED_RATES) return false;
    }
    this.slowRates = 0;
    this.bestBytesPerMs = bytesPerMs;
    this.windowBytes = Math.min(this.maxBytes, inFlight * 2);
    return true;
  }
}
