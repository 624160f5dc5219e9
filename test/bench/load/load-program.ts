/**
 * Generator and upstream in one process, spoken to by lines of JSON on its standard input; load-driver.ts is the other side.
 *
 * The open loop keeps to a schedule whatever the replies do: request n is meant to leave at a random moment within the
 * n-th slot, and its latency counts from that moment. To be on time the loop never sleeps, which is why the upstream lives
 * in here: a second process on the same processor would wait for this one. It watches itself: whenever one turn took
 * longer than `LATE_MS`, requests that were under way then are counted as disturbed and leave no latency behind.
 */
import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readFileSync } from 'node:fs';
import { seededRandom } from '@weft/kernel';
import { LatencyHistogram } from '../latency-histogram.ts';
import { answerLines } from '../line-program.ts';
import { ReplyReader } from './reply-reader.ts';
import type { ClosedRun, HoldRun, LoadCommand, LoadReply, OpenRun } from './load-driver.ts';

/** A turn that took longer was somebody else's. */
const LATE_MS = 0.2;

const REQUEST = (host: string): Buffer => Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
const BODY = 'x'.repeat(67);
const RESPONSE = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
);
const HEAD_END = Buffer.from('\r\n\r\n');

let served = 0;
const held: Socket[] = [];

/** One keep-alive connection with at most one request on its way. */
interface Connection {
  readonly socket: Socket;
  readonly reader: ReplyReader;
  busy: boolean;
  /** The moment the request under way was meant to leave, milliseconds. */
  intendedMs: number;
  failed: boolean;
}

function startUpstream(port: number): Promise<number> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    // Keep-alive without pipelining: a read that ends a head is one request.
    socket.on('data', (bytes: Buffer) => {
      if (!bytes.subarray(-4).equals(HEAD_END)) return;
      served += 1;
      socket.write(RESPONSE);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', backlog: 4_096 }, () => resolve((server.address() as AddressInfo).port));
  });
}

function openConnection(
  port: number,
  onReply: (connection: Connection) => void,
  onFailure: () => void,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const reader = new ReplyReader();
    const buffer = Buffer.allocUnsafeSlow(16 * 1024);
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          if (reader.feed(buffer.subarray(0, length))) onReply(connection);
          return true;
        },
      },
    });
    const connection: Connection = { socket, reader, busy: false, intendedMs: 0, failed: false };
    socket.once('connect', () => resolve(connection));
    socket.once('error', reject);
    socket.once('close', () => {
      if (connection.failed) return;
      connection.failed = true;
      onFailure();
    });
  });
}

function closeConnections(connections: readonly Connection[]): void {
  for (const connection of connections) {
    connection.failed = true;
    connection.socket.destroy();
  }
}

async function runOpen(run: OpenRun): Promise<LoadReply> {
  const request = REQUEST(run.host);
  const latency = new LatencyHistogram();
  const random = seededRandom(run.seed);
  const free: Connection[] = [];
  const waiting: number[] = [];
  let errors = 0;
  let completed = 0;
  let disturbed = 0;
  let lateMs = 0;
  let lastLateMs = 0;
  let measuring = false;
  let underWay = 0;

  const send = (connection: Connection, intendedMs: number): void => {
    connection.busy = true;
    connection.intendedMs = intendedMs;
    underWay += 1;
    connection.socket.write(request);
  };
  const onReply = (connection: Connection): void => {
    if (!connection.busy) {
      errors += 1;
      return;
    }
    connection.busy = false;
    underWay -= 1;
    completed += 1;
    if (connection.reader.status !== 200) errors += 1;
    else if (lastLateMs > connection.intendedMs) disturbed += 1;
    else if (measuring) latency.record(performance.now() - connection.intendedMs);
    const next = waiting.shift();
    if (next === undefined) free.push(connection);
    else send(connection, next);
  };
  const connections: Connection[] = [];
  for (let index = 0; index < run.connections; index += 1) {
    connections.push(await openConnection(run.port, onReply, () => (errors += 1)));
  }
  free.push(...connections);
  globalThis.gc?.();

  const slotMs = 1_000 / run.rate;
  const total = Math.round(run.rate * run.seconds);
  const startMs = performance.now() + 5;
  let sent = 0;
  let nextMs = startMs + random() * slotMs;
  let turnMs = performance.now();
  measuring = true;
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      const nowMs = performance.now();
      if (nowMs - turnMs > LATE_MS) {
        lateMs += nowMs - turnMs;
        lastLateMs = nowMs;
      }
      turnMs = nowMs;
      while (sent < total && nextMs <= nowMs) {
        const connection = free.pop();
        if (connection === undefined) waiting.push(nextMs);
        else send(connection, nextMs);
        sent += 1;
        nextMs = startMs + (sent + random()) * slotMs;
      }
      // What is still out after two seconds is lost, and counts as an error.
      if (sent < total || ((underWay > 0 || waiting.length > 0) && nowMs < startMs + total * slotMs + 2_000)) {
        setImmediate(turn);
      } else resolve();
    };
    setImmediate(turn);
  });
  measuring = false;
  closeConnections(connections);
  errors += underWay + waiting.length;
  return { completed, errors, disturbed, lateShare: lateMs / (total * slotMs), latency: latency.toJSON() };
}

/** Every connection sends its next request when it has its reply: for throughput and CPU, never for latency. */
async function runClosed(run: ClosedRun): Promise<LoadReply> {
  const request = REQUEST(run.host);
  let completed = 0;
  let errors = 0;
  let running = true;
  const connections: Connection[] = [];
  const onReply = (connection: Connection): void => {
    completed += 1;
    if (connection.reader.status !== 200) errors += 1;
    connection.busy = running;
    if (running) connection.socket.write(request);
  };
  for (let index = 0; index < run.connections; index += 1) {
    connections.push(await openConnection(run.port, onReply, () => (errors += 1)));
  }
  for (const connection of connections) {
    connection.busy = true;
    connection.socket.write(request);
  }
  await new Promise((resolve) => setTimeout(resolve, run.seconds * 1_000));
  running = false;
  const endMs = performance.now() + 2_000;
  while (connections.some(({ busy, failed }) => busy && !failed) && performance.now() < endMs) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  closeConnections(connections);
  return { completed, errors };
}

/** Opens connections, sends one request over each, and keeps them. */
async function hold(run: HoldRun): Promise<LoadReply> {
  const request = REQUEST(run.host);
  const tls = run.tls;
  const material =
    tls === undefined
      ? undefined
      : {
          ca: readFileSync(tls.root),
          cert: readFileSync(tls.certificate),
          key: readFileSync(tls.key),
          minVersion: 'TLSv1.3' as const,
          ALPNProtocols: [...tls.protocols],
          // Names are not what is measured; the chain is checked.
          checkServerIdentity: (): undefined => undefined,
        };
  for (let index = 0; index < run.connections; index += 1) {
    await new Promise<void>((resolve, reject) => {
      const reader = new ReplyReader();
      const target = { port: run.port, host: '127.0.0.1', noDelay: true };
      const socket = material === undefined ? connect(target) : connectTls({ ...target, ...material });
      socket.once(material === undefined ? 'connect' : 'secureConnect', () => socket.write(request));
      socket.on('data', (bytes: Buffer) => {
        if (!reader.feed(bytes)) return;
        if (reader.status === 200) resolve();
        else reject(new Error(`status ${reader.status}`));
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed by the proxy')));
      held.push(socket);
    });
  }
  return { completed: run.connections, errors: 0 };
}

async function obey(command: LoadCommand): Promise<LoadReply> {
  switch (command.do) {
    case 'upstream':
      return { completed: 0, errors: 0, port: await startUpstream(command.port) };
    case 'served':
      return { completed: served, errors: 0 };
    case 'open':
      return runOpen(command);
    case 'closed':
      return runClosed(command);
    case 'hold':
      return hold(command);
    case 'alive': {
      return { completed: held.filter((socket) => !socket.destroyed).length, errors: 0 };
    }
    case 'release':
      for (const socket of held.splice(0)) socket.removeAllListeners('close').destroy();
      return { completed: 0, errors: 0 };
  }
}

await answerLines(obey);
