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

  constructor(fill: FillRandom = randomFillSync) {
    this.fill = fill;
    this.bytes = Buffer.allocUnsafeSlow(POOL_BYTES);
    this.text = '';
    this.offset = 0;
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
    const hex = this.take(32);
    return `${hex.substring(0, 8)}-${hex.substring(8, 12)}-4${hex.substring(13, 16)}-${variant(hex.charCodeAt(16))}${hex.substring(17, 20)}-${hex.substring(20)}`;
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

const REQUEST_ID = /^[A-Za-z0-9._:+/=@-]{1,128}$/;

/** A request identifier from outside: returned when it is short and harmless in a log line, otherwise undefined. */
export function readRequestId(text: string | undefined): string | undefined {
  return text !== undefined && REQUEST_ID.test(text) ? text : undefined;
}

/** RFC 9562 §4.1: the two highest bits are 10, the two lowest are those of the random digit (its character code). */
function variant(code: number): string {
  return VARIANTS[(code <= 0x39 ? code : code + 1) & 3]!;
}

const VARIANTS = ['8', '9', 'a', 'b'];
