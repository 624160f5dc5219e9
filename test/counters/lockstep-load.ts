/**
 * Generator and upstream in one process, in lockstep: all connections send at once, the upstream answers when it has all
 * of them, the next round starts with the last reply. Proxies that are counted stand still while either writes, so that a
 * turn of their event loops has all of a round in it: how busy the machine is, and on how many processors, changes nothing
 * then. And every request is counted.
 */
import { readFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReplyReader } from '../bench/load/reply-reader.ts';
import { benchHost } from '../bench/subjects/subject.ts';

const REQUEST = Buffer.from(`GET / HTTP/1.1\r\nHost: ${benchHost}\r\n\r\n`);
const BODY = 'x'.repeat(67);
const REPLY = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
);
const HEAD_END = Buffer.from('\r\n\r\n');

export class LockstepLoad {
  /** Where the proxy is to send requests. */
  readonly upstreamPort: number;
  private readonly upstream: Server;
  private readonly accepted: Set<Socket>;
  private readonly waiting: Socket[];
  private readonly clients: Socket[];
  private held: readonly number[];
  private replies: number;
  private roundEnded: () => void;
  private failed: (error: Error) => void;

  private constructor(upstream: Server) {
    this.upstream = upstream;
    this.upstreamPort = (upstream.address() as AddressInfo).port;
    this.accepted = new Set();
    this.waiting = [];
    this.clients = [];
    this.held = [];
    this.replies = 0;
    this.roundEnded = () => {};
    this.failed = () => {};
    upstream.on('connection', (socket) => this.serve(socket));
  }

  static async start(): Promise<LockstepLoad> {
    const upstream = createServer();
    await new Promise<void>((resolve) => void upstream.listen(0, '127.0.0.1', resolve));
    return new LockstepLoad(upstream);
  }

  /** Opens this many keep-alive connections to a proxy, beside those there are. */
  async open(port: number, connections: number): Promise<void> {
    for (let index = 0; index < connections; index += 1) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      const reader = new ReplyReader();
      socket.on('error', (error) => this.failed(error));
      socket.on('close', () => this.failed(new Error('the proxy closed a connection')));
      socket.on('data', (bytes: Buffer) => {
        if (!reader.feed(bytes)) return;
        if (reader.status !== 200) this.failed(new Error(`status ${reader.status}`));
        this.replies += 1;
        if (this.replies === this.clients.length) this.roundEnded();
      });
      this.clients.push(socket);
    }
  }

  /**
   * Sends one request over each connection, so many times, to processes that stand still meanwhile (`held`). Returns the number
   * of requests; rejects unless each had a 200.
   */
  async run(rounds: number, held: readonly number[] = []): Promise<number> {
    this.held = held;
    for (let round = 0; round < rounds; round += 1) {
      this.replies = 0;
      await new Promise<void>((resolve, reject) => {
        this.roundEnded = resolve;
        this.failed = reject;
        this.writeAtOnce(this.clients, REQUEST).catch(reject);
      });
    }
    return rounds * this.clients.length;
  }

  async stop(): Promise<void> {
    this.failed = () => {};
    for (const socket of [...this.clients, ...this.accepted]) socket.destroy();
    await new Promise<void>((resolve) => void this.upstream.close(() => resolve()));
  }

  private serve(socket: Socket): void {
    socket.setNoDelay(true);
    this.accepted.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.accepted.delete(socket));
    // Keep-alive without pipelining: a read that ends a head is one request. Without connections of our own, others ask.
    socket.on('data', (bytes: Buffer) => {
      if (!bytes.subarray(-4).equals(HEAD_END)) return;
      this.waiting.push(socket);
      if (this.waiting.length < this.clients.length) return;
      this.writeAtOnce(this.waiting.splice(0), REPLY).catch((error: Error) => this.failed(error));
    });
  }

  private async writeAtOnce(sockets: readonly Socket[], bytes: Buffer): Promise<void> {
    const { held } = this;
    for (const pid of held) process.kill(pid, 'SIGSTOP');
    try {
      for (const pid of held) while (!isStopped(pid)) await sleep(1);
      for (const socket of sockets) socket.write(bytes);
    } finally {
      for (const pid of held) process.kill(pid, 'SIGCONT');
    }
  }
}

/** Traced processes stop in a state of their own. */
function isStopped(pid: number): boolean {
  return /^State:\t[Tt]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
}
