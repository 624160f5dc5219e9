import { randomFillSync } from 'node:crypto';
import { assert } from '@weft/kernel';

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

const REQUEST_ID = /^[A-Za-z0-9._:+/=@-]{1,128}$/;

/** A request identifier from outside: returned when it is short and harmless in a log line, otherwise undefined. */
export function readRequestId(text: string | undefined): string | undefined {
  return text !== undefined && REQUEST_ID.test(text) ? text : undefined;
}

/** Texts of one pool: enough to make a call into the generator cheap, few enough that an id that is kept pins little. */
const POOL_TEXTS = 56;

const DIGITS = Buffer.from('0123456789abcdef', 'latin1');
// RFC 9562 §4.1: the two highest bits are 10, the two lowest are random.
const VARIANTS = Buffer.from('89ab', 'latin1');
const ZERO = 0x30;
const LETTER_X = 0x78;
const LETTER_V = 0x76;

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
  /** Where the random digits stand in `out`, two for each random byte. */
  private readonly places: Uint16Array;
  /** Where the variant digits stand, which are random digits too before they are made to fit. */
  private readonly variants: Uint16Array;
  private text: string;
  private offset: number;

  constructor(fill: FillRandom, shape: string) {
    const out = Buffer.from(shape.repeat(POOL_TEXTS), 'latin1');
    const places: number[] = [];
    const variants: number[] = [];
    for (const [at, byte] of out.entries()) {
      if (byte === LETTER_X || byte === LETTER_V) places.push(at);
      if (byte === LETTER_V) variants.push(at);
    }
    assert(places.length % 2 === 0, 'a pool of texts takes whole random bytes');
    this.fill = fill;
    this.length = shape.length;
    this.random = Buffer.allocUnsafeSlow(places.length / 2);
    this.out = out;
    this.places = Uint16Array.from(places);
    this.variants = Uint16Array.from(variants);
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
    const { random, out, places, variants } = this;
    this.fill(random);
    for (let at = 0; at < random.length; at += 1) {
      const byte = random[at]!;
      out[places[at * 2]!] = DIGITS[byte & 15]!;
      out[places[at * 2 + 1]!] = DIGITS[byte >> 4]!;
    }
    for (const at of variants) out[at] = VARIANTS[out[at]! & 3]!;
    this.text = out.toString('latin1');
    this.offset = 0;
  }
}
