import { Buffer } from 'node:buffer';
import { createHmac, randomBytes } from 'node:crypto';
import type { Server } from 'node:tls';
import type { Clock } from '@weft/kernel';

/** A key seals tickets for so long, and opens them for as long again. */
export const TICKET_PERIOD_MS = 12 * 3_600_000;

/** What the keys of now and later are made of, and nothing of those before the last. Plain data: it may be sent to a thread. */
export interface TicketSeed {
  /** Since 1970, in periods. */
  readonly period: number;
  /** 32 bytes in hexadecimal; each period's key and the next period's chain come of it, one way. */
  readonly chain: string;
  /** The key of the period before, in hexadecimal. */
  readonly previous: string;
}

/** A clock that is set forward by more is followed without the steps between. */
const MOST_STEPS = 10_000;

const KEY_BYTES = 48;

/** A chain that nobody else knows, from now on. */
export function newTicketSeed(clock: Clock): TicketSeed {
  const period = Math.floor(clock.wallMs() / TICKET_PERIOD_MS);
  return { period, chain: randomBytes(32).toString('hex'), previous: randomBytes(KEY_BYTES).toString('hex') };
}

/**
 * Keys of session tickets (RFC 5077 §4, RFC 8446 §4.6.1): a new one every 12 hours of the clock on the wall, the one before
 * still opens. Whoever began with the same seed has the same keys at the same time, without a word between them, so that a
 * session resumes in any thread. A key that is over can't be found again: the chain leads one way, and is not kept.
 */
export class TicketKeys {
  private readonly clock: Clock;
  private period: number;
  private chain: Buffer;
  private own: TicketKey;
  private previous: TicketKey;

  constructor(clock: Clock, seed: TicketSeed) {
    this.clock = clock;
    this.period = seed.period;
    this.chain = Buffer.from(seed.chain, 'hex');
    this.previous = new TicketKey(Buffer.from(seed.previous, 'hex'));
    this.own = new TicketKey(derive(this.chain, 'key'));
    this.follow();
  }

  /** For a thread that begins now. */
  get seed(): TicketSeed {
    this.follow();
    return { period: this.period, chain: this.chain.toString('hex'), previous: this.previous.bytes.toString('hex') };
  }

  /** The key that seals, 48 bytes, as `tls` takes it: name, HMAC key, AES key. */
  get current(): Buffer {
    this.follow();
    return this.own.bytes;
  }

  /**
   * From here the tickets of `server` are sealed and opened with these keys, also under the contexts it chooses by server
   * name. To be said again after `setSecureContext`.
   *
   * Node documents one key for a server (`setTicketKeys`), which no ticket survives. What is used here is the callback below
   * it, as Node's own tests use it; where that is not found a rotation costs each caller one full handshake.
   */
  serve(server: Server): void {
    const context = (server as unknown as { _sharedCreds?: { context?: TicketContext } })._sharedCreds?.context;
    if (typeof context?.enableTicketKeyCallback !== 'function') {
      server.setTicketKeys(this.current);
      return;
    }
    context.onticketkeycallback = (name, _iv, seals) => this.choose(name, seals);
    context.enableTicketKeyCallback();
  }

  private choose(name: Uint8Array, seals: boolean): TicketAnswer {
    this.follow();
    const { own, previous } = this;
    if (seals) return [FOUND, own.hmac, own.aes, own.name, randomBytes(16)];
    if (own.name.equals(name)) return [FOUND, own.hmac, own.aes, NOTHING, NOTHING];
    if (previous.name.equals(name)) return [RENEW, previous.hmac, previous.aes, NOTHING, NOTHING];
    return [UNKNOWN, own.hmac, own.aes, NOTHING, NOTHING];
  }

  private follow(): void {
    const now = Math.floor(this.clock.wallMs() / TICKET_PERIOD_MS);
    // A clock that is set back changes nothing: what was left behind is gone.
    if (now <= this.period) return;
    for (let step = Math.min(now - this.period, MOST_STEPS); step > 0; step -= 1) {
      const next = derive(this.chain, 'chain').subarray(0, 32);
      this.previous.bytes.fill(0);
      this.previous = this.own;
      this.chain.fill(0);
      this.chain = next;
      this.own = new TicketKey(derive(next, 'key'));
    }
    this.period = now;
  }
}

/** As OpenSSL divides it. */
class TicketKey {
  readonly bytes: Buffer;
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly aes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.name = bytes.subarray(0, 16);
    this.hmac = bytes.subarray(16, 32);
    this.aes = bytes.subarray(32, KEY_BYTES);
  }
}

/** What OpenSSL's callback says of a key (SSL_CTX_set_tlsext_ticket_key_cb). */
const UNKNOWN = 0;
const FOUND = 1;
/** It opens, and the caller is to have a new ticket. */
const RENEW = 2;

const NOTHING = Buffer.alloc(0);

/** What is to be done, HMAC key, AES key; with sealing also the key's name and an initial vector. */
type TicketAnswer = [code: number, hmac: Buffer, aes: Buffer, name: Buffer, iv: Buffer];

interface TicketContext {
  onticketkeycallback: (name: Uint8Array, iv: Uint8Array, seals: boolean) => TicketAnswer;
  enableTicketKeyCallback?: () => void;
}

/** 48 bytes that tell nothing of `chain`, nor of what is derived for another purpose. */
function derive(chain: Buffer, purpose: 'key' | 'chain'): Buffer {
  return createHmac('sha512', chain).update(`weft ticket ${purpose}`).digest().subarray(0, KEY_BYTES);
}
