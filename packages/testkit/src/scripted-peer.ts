import { Buffer } from 'node:buffer';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** How the other side ended: an orderly end of its bytes, or a reset. */
export type PeerEnd = 'end' | 'reset';

/** What `receive` waits for: a text (read as Latin-1), a pattern over the Latin-1 form, or a number of bytes. */
export type Expectation = string | RegExp | number;

interface Waiter {
  /** Tries again after each arrival; true when it has settled. */
  settle(): boolean;
}

/** A test that waits longer than this has failed; the message shows what had come until then. */
const DEFAULT_TIMEOUT_MS = 5_000;

/**
 * One end of a raw TCP connection that does what a test says, byte by byte, and nothing of its own: it does not answer
 * an end with an end.
 */
export class ScriptedPeer {
  readonly socket: Socket;
  private held: Buffer;
  private ended: PeerEnd | null;
  private waiters: Waiter[];

  /** Takes over a connected socket. Use `ScriptedPeer.connect` or `ScriptedServer.accept`. */
  constructor(socket: Socket) {
    this.socket = socket;
    this.held = Buffer.alloc(0);
    this.ended = null;
    this.waiters = [];
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.held = Buffer.concat([this.held, chunk]);
      this.wake();
    });
    socket.on('end', () => this.finish('end'));
    socket.on('error', () => this.finish('reset'));
    socket.on('close', () => this.finish('reset'));
  }

  /** Connects to a port of the loopback address. */
  static connect(port: number, host = '127.0.0.1'): Promise<ScriptedPeer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new ScriptedPeer(socket));
      });
    });
  }

  /**
   * Waits for the expected bytes and takes everything up to their end off the input; the rest stays for the next call.
   * Fails when the other side ends first, or after `timeoutMs`.
   */
  receive(expected: Expectation, timeoutMs: number = DEFAULT_TIMEOUT_MS): Promise<Buffer> {
    return this.wait(`${expected}`, timeoutMs, () => {
      const end = endOfMatch(this.held, expected);
      if (end !== -1) {
        const taken = this.held.subarray(0, end);
        this.held = this.held.subarray(end);
        return taken;
      }
      if (this.ended !== null) throw new Error(`the peer ended (${this.ended}) before ${expected}`);
      return undefined;
    });
  }

  /** Waits until the other side ends; says how. Bytes that came before can still be received. */
  closed(timeoutMs: number = DEFAULT_TIMEOUT_MS): Promise<PeerEnd> {
    return this.wait('the end', timeoutMs, () => this.ended ?? undefined);
  }

  /** What has come and was not taken. */
  get unread(): Buffer {
    return this.held;
  }

  /**
   * Sends bytes (text as Latin-1), cut at the places given in `cuts`, or one by one with 'bytes'. Each piece is its own
   * segment, handed to the system before the next; a reader on a busy machine may still see two of them at once.
   */
  async send(bytes: Buffer | string, cuts: readonly number[] | 'bytes' = []): Promise<void> {
    const whole = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    const ends =
      cuts === 'bytes' ? Array.from({ length: whole.length }, (_, index) => index + 1) : [...cuts, whole.length];
    let start = 0;
    for (const end of ends) {
      await this.write(whole.subarray(start, end));
      start = end;
    }
  }

  /** Stops taking bytes from the system, as a slow reader does; what the system buffers fills up. */
  pauseReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    this.socket.resume();
  }

  /** Ends the own direction (FIN); the other stays open. */
  end(): Promise<void> {
    return new Promise((resolve) => this.socket.end(() => resolve()));
  }

  /** Closes the connection by a reset (RST). */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Closes both directions at once: for the end of a test. */
  destroy(): void {
    this.socket.destroy();
  }

  private write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(piece, (error) => {
        if (error) reject(error);
        // One turn of the event loop: a reader in the same process takes this piece before the next is written.
        else setImmediate(resolve);
      });
    });
  }

  private wait<T>(what: string, timeoutMs: number, attempt: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        settle: () => {
          try {
            const value = attempt();
            if (value === undefined) return false;
            resolve(value);
          } catch (error) {
            reject(this.explained(error));
          }
          clearTimeout(timeout);
          return true;
        },
      };
      const timeout = setTimeout(() => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        reject(this.explained(new Error(`waited ${timeoutMs} ms for ${what}`)));
      }, timeoutMs);
      this.waiters.push(waiter);
      this.wake();
    });
  }

  /** Waiters take their bytes in the order in which they began to wait. */
  private wake(): void {
    while (this.waiters.length > 0 && this.waiters[0]!.settle()) this.waiters.shift();
    this.waiters = this.waiters.filter((waiter) => this.ended === null || !waiter.settle());
  }

  private finish(end: PeerEnd): void {
    this.ended ??= end;
    this.wake();
  }

  private explained(error: unknown): Error {
    const reason = error instanceof Error ? error.message : String(error);
    return new Error(`${reason}; unread: ${JSON.stringify(this.held.subarray(0, 400).toString('latin1'))}`, {
      cause: error,
    });
  }
}

/** A listening port whose connections are scripted peers. */
export class ScriptedServer {
  readonly port: number;
  private readonly server: Server;
  private readonly peers: Set<ScriptedPeer>;
  private readonly fresh: ScriptedPeer[];
  private takers: ((peer: ScriptedPeer) => void)[];

  private constructor(server: Server) {
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
    this.peers = new Set();
    this.fresh = [];
    this.takers = [];
    server.on('connection', (socket) => {
      const peer = new ScriptedPeer(socket);
      this.peers.add(peer);
      socket.once('close', () => this.peers.delete(peer));
      const taker = this.takers.shift();
      if (taker === undefined) this.fresh.push(peer);
      else taker(peer);
    });
  }

  /** Listens on a free port of the loopback address. */
  static listen(): Promise<ScriptedServer> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true });
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(new ScriptedServer(server)));
    });
  }

  /** The next connection, in the order of their coming; fails after `timeoutMs`. */
  accept(timeoutMs: number = DEFAULT_TIMEOUT_MS): Promise<ScriptedPeer> {
    const peer = this.fresh.shift();
    if (peer !== undefined) return Promise.resolve(peer);
    return new Promise((resolve, reject) => {
      const taker = (next: ScriptedPeer): void => {
        clearTimeout(timeout);
        resolve(next);
      };
      const timeout = setTimeout(() => {
        this.takers = this.takers.filter((other) => other !== taker);
        reject(new Error(`no connection within ${timeoutMs} ms`));
      }, timeoutMs);
      this.takers.push(taker);
    });
  }

  /** Connections that are open. */
  get size(): number {
    return this.peers.size;
  }

  /** Stops listening and destroys all connections. */
  close(): Promise<void> {
    for (const peer of this.peers) peer.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

/** The index behind the match; -1 while there is none. */
function endOfMatch(bytes: Buffer, expected: Expectation): number {
  if (typeof expected === 'number') return bytes.length >= expected ? expected : -1;
  if (typeof expected === 'string') {
    const start = bytes.indexOf(expected, 0, 'latin1');
    return start === -1 ? -1 : start + expected.length;
  }
  const match = new RegExp(expected.source, expected.flags.replace(/[gy]/g, '')).exec(bytes.toString('latin1'));
  return match === null ? -1 : match.index + match[0].length;
}
