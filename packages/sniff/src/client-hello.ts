import { Buffer } from 'node:buffer';

/** What a ClientHello asks for, as far as routing needs it. */
export interface ClientHello {
  /** `server_name`, in lower case; undefined without one. It may be an IP literal, which RFC 6066 forbids and clients send. */
  readonly serverName: string | undefined;
  /** The application protocols offered, in the client's order, each byte one UTF-16 unit. */
  readonly alpn: readonly string[];
  /** Whether `supported_versions` offers TLS 1.3. */
  readonly offersTls13: boolean;
  /** Whether there is an `encrypted_client_hello`: then `serverName` is the name of the front, not of the service. */
  readonly isEncrypted: boolean;
}

/** Why the bytes are no ClientHello. */
export type ClientHelloFault =
  | 'not-a-handshake'
  | 'bad-record'
  | 'too-many-records'
  | 'not-a-client-hello'
  | 'too-long'
  | 'trailing-bytes'
  | 'bad-length'
  | 'bad-version'
  | 'bad-session-id'
  | 'bad-cipher-suites'
  | 'bad-compression'
  | 'duplicate-extension'
  | 'misplaced-extension'
  | 'bad-server-name'
  | 'bad-alpn'
  | 'bad-versions';

/** Largest ClientHello taken, its header not counted. With post-quantum key shares and ECH real ones are below 4 KiB. */
const MAX_HELLO_BYTES = 16_384;
/** Real clients use one to three records; each costs five bytes to send and some work to read. */
const MAX_RECORDS = 64;
const MAX_RECORD_BYTES = 16_384;
const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;
/** RFC 1035 §2.3.4, as text. */
const MAX_NAME_BYTES = 253;

const HANDSHAKE = 0x16;
const CLIENT_HELLO = 0x01;

// RFC 8446 §4.2; the last one is TLS Encrypted Client Hello
const SERVER_NAME = 0;
const ALPN = 16;
const PRE_SHARED_KEY = 41;
const SUPPORTED_VERSIONS = 43;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

/**
 * Reads the ClientHello at the start of a TLS connection, in whatever pieces and records it comes (RFC 8446 §4.1.2,
 * §5.1). Work and memory grow with the bytes fed and end at the limits above; nothing is thrown. The bytes fed are
 * copied, not kept: whoever passes the connection on keeps its own.
 *
 *     record header -> payload -> record header -> ... -> done
 *          any state -- what cannot be a ClientHello --> refused
 */
export class ClientHelloReader {
  /** Set once `feed` has returned `done`. */
  hello: ClientHello | undefined;
  /** Set once `feed` has returned `refused`. */
  fault: ClientHelloFault | undefined;
  private readonly header: Uint8Array;
  private headerBytes: number;
  private recordBytesLeft: number;
  private records: number;
  private message: Buffer;
  private messageBytes: number;

  constructor() {
    this.hello = undefined;
    this.fault = undefined;
    this.header = new Uint8Array(RECORD_HEADER_BYTES);
    this.headerBytes = 0;
    this.recordBytesLeft = 0;
    this.records = 0;
    // One ClientHello of today; replaced by a larger one at most four times.
    this.message = Buffer.allocUnsafe(2_048);
    this.messageBytes = 0;
  }

  /** Takes the next bytes, bytes[start, end). After `done` or `refused` it returns the same again. */
  feed(bytes: Uint8Array, start: number, end: number): 'need-more' | 'done' | 'refused' {
    let offset = start;
    while (this.hello === undefined && this.fault === undefined && offset < end) {
      if (this.recordBytesLeft === 0) {
        this.header[this.headerBytes] = bytes[offset]!;
        this.headerBytes += 1;
        offset += 1;
        this.checkRecordHeader();
      } else {
        const count = Math.min(this.recordBytesLeft, end - offset);
        this.append(bytes, offset, count);
        offset += count;
        this.recordBytesLeft -= count;
        this.checkMessage();
      }
    }
    if (this.fault !== undefined) return 'refused';
    return this.hello === undefined ? 'need-more' : 'done';
  }

  private checkRecordHeader(): void {
    const { header, headerBytes } = this;
    if (headerBytes === 1 && header[0] !== HANDSHAKE) this.fault = 'not-a-handshake';
    // The minor version is not looked at: RFC 8446 §5.1 asks to ignore it.
    if (headerBytes === 2 && header[1] !== 0x03) this.fault = 'bad-record';
    if (headerBytes < RECORD_HEADER_BYTES) return;
    const length = (header[3]! << 8) | header[4]!;
    // §5.1: no empty fragments of handshake messages.
    if (length === 0 || length > MAX_RECORD_BYTES) this.fault = 'bad-record';
    this.records += 1;
    if (this.records > MAX_RECORDS) this.fault = 'too-many-records';
    this.recordBytesLeft = length;
    this.headerBytes = 0;
  }

  private append(bytes: Uint8Array, offset: number, count: number): void {
    const needed = this.messageBytes + count;
    if (needed > this.message.length) {
      let capacity = this.message.length;
      while (capacity < needed) capacity *= 2;
      const grown = Buffer.allocUnsafe(capacity);
      grown.set(this.message.subarray(0, this.messageBytes));
      this.message = grown;
    }
    this.message.set(bytes.subarray(offset, offset + count), this.messageBytes);
    this.messageBytes = needed;
  }

  /** Called after each piece, before more is copied: at most one record is held past the limit. */
  private checkMessage(): void {
    const { message, messageBytes } = this;
    if (message[0] !== CLIENT_HELLO) {
      this.fault = 'not-a-client-hello';
      return;
    }
    if (messageBytes < HANDSHAKE_HEADER_BYTES) return;
    const length = message.readUIntBE(1, 3);
    if (length > MAX_HELLO_BYTES) {
      this.fault = 'too-long';
      return;
    }
    const bytes = HANDSHAKE_HEADER_BYTES + length;
    if (messageBytes < bytes) return;
    // A client has nothing to say after its hello in the same record: keys may change there (RFC 8446 §5.1).
    if (messageBytes > bytes || this.recordBytesLeft > 0) {
      this.fault = 'trailing-bytes';
      return;
    }
    const read = readHello(message, HANDSHAKE_HEADER_BYTES, bytes);
    if (typeof read === 'string') this.fault = read;
    else this.hello = read;
    this.message = NO_BYTES;
  }
}

const NO_BYTES = Buffer.alloc(0);

/** RFC 8446 §4.1.2: version, random, session id, cipher suites, compression methods, extensions. */
function readHello(message: Buffer, start: number, end: number): ClientHello | ClientHelloFault {
  let offset = start;
  if (offset + 35 > end) return 'bad-length';
  if (message[offset] !== 0x03) return 'bad-version';
  offset += 34;
  const sessionIdBytes = message[offset]!;
  offset += 1 + sessionIdBytes;
  if (sessionIdBytes > 32) return 'bad-session-id';
  if (offset + 2 > end) return 'bad-length';
  const suiteBytes = message.readUInt16BE(offset);
  offset += 2 + suiteBytes;
  if (suiteBytes < 2 || suiteBytes % 2 === 1) return 'bad-cipher-suites';
  if (offset + 1 > end) return 'bad-length';
  const compressionBytes = message[offset]!;
  offset += 1 + compressionBytes;
  if (compressionBytes < 1) return 'bad-compression';
  if (offset > end) return 'bad-length';
  // TLS 1.2 without extensions (RFC 5246 §7.4.1.2)
  if (offset === end) return { serverName: undefined, alpn: [], offersTls13: false, isEncrypted: false };
  if (offset + 2 > end) return 'bad-length';
  const extensionBytes = message.readUInt16BE(offset);
  offset += 2;
  return offset + extensionBytes === end ? readExtensions(message, offset, end) : 'bad-length';
}

function readExtensions(message: Buffer, start: number, end: number): ClientHello | ClientHelloFault {
  let serverName: string | undefined;
  let alpn: readonly string[] = [];
  let offersTls13 = false;
  let isEncrypted = false;
  const seen = new Set<number>();
  let offset = start;
  while (offset < end) {
    if (offset + 4 > end) return 'bad-length';
    const type = message.readUInt16BE(offset);
    const from = offset + 4;
    const to = from + message.readUInt16BE(offset + 2);
    if (to > end) return 'bad-length';
    // RFC 8446 §4.2: one of a kind, and pre_shared_key last (§4.2.11).
    if (seen.has(type)) return 'duplicate-extension';
    if (seen.has(PRE_SHARED_KEY)) return 'misplaced-extension';
    seen.add(type);
    if (type === SERVER_NAME) {
      serverName = readServerName(message, from, to);
      if (serverName === undefined) return 'bad-server-name';
    } else if (type === ALPN) {
      const read = readAlpn(message, from, to);
      if (read === undefined) return 'bad-alpn';
      alpn = read;
    } else if (type === SUPPORTED_VERSIONS) {
      const bytes = to - from;
      if (bytes < 3 || message[from] !== bytes - 1 || bytes % 2 === 0) return 'bad-versions';
      for (let at = from + 1; at < to; at += 2) offersTls13 ||= message.readUInt16BE(at) === 0x0304;
    } else if (type === ENCRYPTED_CLIENT_HELLO) {
      isEncrypted = true;
    }
    offset = to;
  }
  return { serverName, alpn, offersTls13, isEncrypted };
}

/** RFC 6066 §3. The list may hold one name of each type and only one type exists, so it holds one host name. */
function readServerName(message: Buffer, from: number, to: number): string | undefined {
  if (to - from < 6 || message.readUInt16BE(from) !== to - from - 2 || message[from + 2] !== 0) return undefined;
  const length = message.readUInt16BE(from + 3);
  if (from + 5 + length !== to || length > MAX_NAME_BYTES) return undefined;
  const name = message.toString('latin1', from + 5, to).toLowerCase();
  return HOST.test(name) ? name : undefined;
}

// Labels of letters, digits, hyphens and (seen in the field) underscores, no empty one and no trailing dot; or the
// characters of an IPv6 literal. What is routed and logged holds nothing else.
const HOST = /^(?:[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*|(?=[0-9a-f.]*:)[0-9a-f:.]{2,45})$/;

/** RFC 7301 §3.1: a list of names that are not empty; the list is not empty either. */
function readAlpn(message: Buffer, from: number, to: number): readonly string[] | undefined {
  if (to - from < 4 || message.readUInt16BE(from) !== to - from - 2) return undefined;
  const names: string[] = [];
  let offset = from + 2;
  while (offset < to) {
    const length = message[offset]!;
    offset += 1;
    if (length === 0 || offset + length > to) return undefined;
    names.push(message.toString('latin1', offset, offset + length));
    offset += length;
  }
  return names;
}
