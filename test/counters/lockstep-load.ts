/**
 * Generator and upstream in one process, in lockstep: all connections send at once, the upstream answers when it has all
 * of them, the next round starts with the last reply. How much a proxy does in one turn of its event loop then depends
 * little on how busy the machine is, and every request is counted.
 */
import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
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
  private replies: number;
  private roundEnded: () => void;
  private failed: (error: Error) => void;

  private constructor(upstream: Server) {
    this.upstream = upstream;
    this.upstreamPort = (upstream.address() as AddressInfo).port;
    this.accepted = new Set();
    this.waiting = [];
    this.clients = [];
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

  /** Sends one request over each connection, so many times. Returns the number of requests; rejects unless each had a 200. */
  async run(rounds: number): Promise<number> {
    for (let round = 0; round < rounds; round += 1) {
      this.replies = 0;
      await new Promise<void>((resolve, reject) => {
        this.roundEnded = resolve;
        this.failed = reject;
        for (const socket of this.clients) socket.write(REQUEST);
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
      for (const waiting of this.waiting.splice(0)) waiting.write(REPLY);
    });
  }
}
