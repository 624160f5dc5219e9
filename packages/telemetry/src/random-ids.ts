import { randomFillSync } from 'node:crypto';

/** Fills the buffer with random bytes; `node:crypto`'s unless a test needs to know them. */
export type FillRandom = (bytes: Buffer) => void;

/**
 * Random bytes drawn at once. A small pool, because an id is a slice of the pool's text and keeps all of it alive as
 * long as somebody keeps the id: 4 KiB at the very worst.
 */
const POOL_BYTES = 2_048;
const NO_SPAN = '0000000000000000';
const NO_TRACE = '00000000000000000000000000000000';

/**
 * Identifiers for traces, spans and requests. One call into the generator serves some hundred identifiers, so that an
 * identifier costs about as much as cutting a string.
 *
 * The bytes are those of the operating system's generator: identifiers of requests end up in URLs and support tickets,
 * and must not let anybody guess the next one. They are not secrets and no keys.
 */
export class RandomIds {
  private readonly fill: FillRandom;
  private readonly bytes: Buffer;
  private text: string;
  private offset: number;
  private readonly uuids: TextPool;
  private readonly roots: TextPool;

  constructor(fill: FillRandom = randomFillSync) {
    this.fill = fill;
    this.bytes = Buffer.allocUnsafeSlow(POOL_BYTES);
    this.text = '';
    this.offset = 0;
    this.uuids = new TextPool(fill, 'xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx');
    this.roots = new TextPool(fill, '00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-00');
  }

  /** 16 lower-case hexadecimal digits, never all zero (W3C Trace Context §3.2.2.4). */
  spanId(): string {
    const id = this.take(16);
    return id === NO_SPAN ? this.spanId() : id;
  }

  /** 32 lower-case hexadecimal digits, never all zero (W3C Trace Context §3.2.2.3). */
  traceId(): string {
    const id = this.take(32);
    return id === NO_TRACE ? this.traceId() : id;
  }

  /**
   * A version 4 UUID (RFC 9562 §5.4). That form rather than 32 plain digits, because applications that check an
   * incoming `x-request-id` at all expect one.
   */
  requestId(): string {
    return this.uuids.take();
  }

  /** A whole `traceparent` that starts a trace nobody records: new trace and span ids, not sampled. */
  rootTraceParent(): string {
    const text = this.roots.take();
    return hasZeroId(text) ? this.rootTraceParent() : text;
  }

  private take(digits: number): string {
    let start = this.offset;
    if (start + digits > this.text.length) {
      this.fill(this.bytes);
      this.text = this.bytes.toString('hex');
      start = 0;
    }
    this.offset = start + digits;
    return this.text.substring(start, start + digits);
  }
}

/** A `traceparent` whose trace or span id is all zero, which neither may be (§3.2.2.3, §3.2.2.4). */
export function hasZeroId(text: string): boolean {
  return (
    (text.charCodeAt(36) === ZERO && text.startsWith(NO_SPAN, 36)) ||
    (text.charCodeAt(3) === ZERO && text.startsWith(NO_TRACE, 3))
  );
}

const REQUEST_ID_CHARS = 128;
const requestIdBytes = new Uint8Array(256);
for (const byte of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:+/=@-', 'latin1')) {
  requestIdBytes[byte] = 1;
}

/**
 * Whether bytes[start, end) are an identifier of a request that may be taken from outside: 1 to 128 characters, harmless in a
 * log line.
 */
export function isRequestId(bytes: Buffer, start: number, end: number): boolean {
  if (end <= start || end - start > REQUEST_ID_CHARS) return false;
  for (let at = start; at < end; at += 1) if (requestIdBytes[bytes[at]!] === 0) return false;
  return true;
}

/** Texts of one pool: enough to make a call into the generator cheap, few enough that an id that is kept pins little. */
const POOL_TEXTS = 56;

/** By byte: its two digits, as they stand in a text. */
const PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => {
  const digits = byte.toString(16).padStart(2, '0');
  return digits.charCodeAt(0) * 256 + digits.charCodeAt(1);
});
// RFC 9562 §4.1: the two highest bits are 10, the two lowest are random.
const VARIANTS = Buffer.from('89ab', 'latin1');
const ZERO = 0x30;

/**
 * Finished texts of one shape, made many at a time: `x` in the shape is a random digit, `v` the variant digit of a UUID,
 * anything else itself. One text then costs a cut and nothing is joined.
 */
class TextPool {
  private readonly fill: FillRandom;
  /** Characters of one text. */
  private readonly length: number;
  private readonly random: Buffer;
  /** All texts, one behind the other; what is not random in them stays. */
  private readonly out: Buffer;
  /** `out`, for two digits at once. */
  private readonly view: DataView;
  /** Where pairs of random digits stand in `out`, one for each random byte. */
  private readonly places: Uint16Array;
  /** Where the variant digits stand, which are random digits too before they are made to fit. */
  private readonly variants: Uint16Array;
  /** Fixed digits that a pair covers, position and byte by turns: written again. */
  private readonly covered: Uint16Array;
  private text: string;
  private offset: number;

  constructor(fill: FillRandom, shape: string) {
    const out = Buffer.from(shape.repeat(POOL_TEXTS), 'latin1');
    const places: number[] = [];
    const variants: number[] = [];
    const covered: number[] = [];
    const text = out.toString('latin1');
    for (const { index, 0: run } of text.matchAll(/[xv]+/g)) {
      const odd = run.length % 2;
      // A run of odd length begins with the digit before it.
      if (odd === 1) covered.push(index - 1, out[index - 1]!);
      for (let at = index - odd; at < index + run.length; at += 2) places.push(at);
      for (let at = 0; at < run.length; at += 1) if (run[at] === 'v') variants.push(index + at);
    }
    this.fill = fill;
    this.length = shape.length;
    this.random = Buffer.allocUnsafeSlow(places.length);
    this.out = out;
    this.view = new DataView(out.buffer, out.byteOffset, out.length);
    this.places = Uint16Array.from(places);
    this.variants = Uint16Array.from(variants);
    this.covered = Uint16Array.from(covered);
    this.text = '';
    this.offset = 0;
  }

  take(): string {
    if (this.offset >= this.text.length) this.refill();
    const start = this.offset;
    this.offset = start + this.length;
    return this.text.substring(start, start + this.length);
  }

  private refill(): void {
    const { random, out, view, places, variants, covered } = this;
    this.fill(random);
    for (let at = 0; at < places.length; at += 1) view.setUint16(places[at]!, PAIRS[random[at]!]!);
    for (let at = 0; at < covered.length; at += 2) out[covered[at]!] = covered[at + 1]!;
    for (const at of variants) out[at] = VARIANTS[out[at]! & 3]!;
    this.text = out.toString('latin1');
    this.offset = 0;
  }
}
