import { Framing } from '../framing.ts';
import type { Head } from '../head.ts';
import { MethodId } from '../method.ts';

const noSlots: readonly (string | undefined)[] = [];

/**
 * What the proxy decided about a request before it is written. One object per exchange, used again: `take` sets every
 * field from the head as received, then the engine changes what it decided.
 */
export class RequestFacts {
  /** Replaces the method; empty keeps it. */
  method: string;
  /** Replaces path and query (URL rewrite); empty keeps them. An absolute form always becomes an origin form. */
  target: string;
  /** Replaces the `Host`; empty writes the authority of the request. */
  host: string;
  framing: Framing;
  /** -1 writes none. */
  contentLength: number;
  expectContinue: boolean;
  /** Protocols to offer; empty offers none. */
  upgrade: string;
  /** Announce that the connection ends after this message. */
  close: boolean;
  /** Values for the slots of the edits, by position; undefined writes none. */
  slots: readonly (string | undefined)[];

  constructor() {
    this.method = '';
    this.target = '';
    this.host = '';
    this.framing = Framing.None;
    this.contentLength = -1;
    this.expectContinue = false;
    this.upgrade = '';
    this.close = false;
    this.slots = noSlots;
  }

  /** Takes the facts of a request head, to be passed on unchanged. `slots` stays. */
  take(head: Head): void {
    this.method = '';
    this.target = '';
    this.host = '';
    this.framing = head.framing;
    this.contentLength = head.framing === Framing.Length ? head.contentLength : -1;
    this.expectContinue = head.expectContinue;
    this.upgrade = head.upgrade;
    this.close = false;
  }
}

/** The same for a response. */
export class ResponseFacts {
  /** Replaces the status (and its reason); 0 keeps it. */
  status: number;
  framing: Framing;
  contentLength: number;
  /** Protocol chosen by a 101. */
  upgrade: string;
  close: boolean;
  /** The version of the client it goes to. */
  clientMinorVersion: number;
  slots: readonly (string | undefined)[];

  constructor() {
    this.status = 0;
    this.framing = Framing.None;
    this.contentLength = -1;
    this.upgrade = '';
    this.close = false;
    this.clientMinorVersion = 1;
    this.slots = noSlots;
  }

  /**
   * Takes the facts of a response head for a client of HTTP/1.`clientMinorVersion`. A body whose end the upstream marks
   * by closing is sent chunked where the client can read that, so that its connection lives; HTTP/1.0 knows no chunks,
   * so there a chunked body ends with the connection and `close` is set. `slots` stays.
   */
  take(head: Head, methodId: number, clientMinorVersion: number): void {
    this.status = 0;
    this.framing = head.framing;
    this.contentLength = head.contentLength;
    this.upgrade = head.upgrade;
    this.close = false;
    this.clientMinorVersion = clientMinorVersion;
    if (head.framing === Framing.Chunked || head.framing === Framing.UntilClose) {
      this.contentLength = -1;
      this.framing = clientMinorVersion === 0 ? Framing.UntilClose : Framing.Chunked;
      this.close = clientMinorVersion === 0;
    }
    if (methodId === MethodId.Connect && head.status < 300) this.contentLength = -1;
  }
}
