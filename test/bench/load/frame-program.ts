/** Run by frame-driver.ts. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerLines } from '../line-program.ts';
import {
  FrameConnection,
  field,
  flags,
  frame,
  frameTypes,
  messageBytes,
  requestFields,
  uint32,
} from './frame-connection.ts';
import type { FrameEvents } from './frame-connection.ts';
import type { FloodKind, FrameCommand, FrameReply } from './frame-driver.ts';

type Of<D extends FrameCommand['do']> = Extract<FrameCommand, { do: D }>;

/** A flood that lasts so long was not stopped. */
const ENDURED_MS = 3_000;
/** Written in one turn; the socket says when it has had enough. */
const BURST_FRAMES = 200;

const held: FrameConnection[] = [];

function startUpstream(): Promise<FrameReply> {
  const server = createServer({ noDelay: true }, (socket) => {
    const connection: FrameConnection = new FrameConnection(socket, true, {
      headers: (stream, end) => connection.answer(stream, end),
      data: (stream, length, end) => connection.echo(stream, length, end),
      ended: () => {},
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', 4_096, () => resolve({ port: (server.address() as AddressInfo).port }));
  });
}

function dial(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

async function runMessages(run: Of<'messages'>): Promise<FrameReply> {
  const fields = requestFields(run.host, true);
  const connections: FrameConnection[] = [];
  let completed = 0;
  let errors = 0;
  let running = true;
  let farewell = '';
  for (let index = 0; index < run.connections; index += 1) {
    const socket = await dial(run.port);
    const connection: FrameConnection = new FrameConnection(socket, false, {
      headers: (_stream, end) => void (end && running && (errors += 1)),
      data(stream, length) {
        stream.received += length;
        while (stream.received >= messageBytes) {
          stream.received -= messageBytes;
          completed += 1;
          if (running) connection.sendMessage(stream);
        }
      },
      ended() {
        if (running) errors += 1;
        farewell = connection.farewell;
      },
    });
    connections.push(connection);
    for (let stream = 0; stream < run.streams; stream += 1) connection.sendMessage(connection.open(fields, false));
    connection.flush();
  }
  const startMs = performance.now();
  const before = completed;
  await sleep(run.seconds * 1_000);
  const counted = completed - before;
  const seconds = (performance.now() - startMs) / 1_000;
  running = false;
  for (const { socket } of connections) socket.destroy();
  return { completed: counted, errors, farewell, seconds };
}

/** One that never answers would hold up all measures behind it. */
const HOLD_MS = 15_000;

async function hold(run: Of<'hold'>): Promise<FrameReply> {
  const fields = requestFields(run.host, true);
  for (let index = 0; index < run.connections; index += 1) {
    const socket = await dial(run.port);
    let wanted = run.streams;
    let limit: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      limit = setTimeout(() => reject(new Error(`${wanted} of ${run.streams} streams are not answered`)), HOLD_MS);
      const connection: FrameConnection = new FrameConnection(socket, false, {
        headers: (_stream, end) => {
          wanted -= 1;
          if (end) reject(new Error('a stream was answered and ended'));
          else if (wanted === 0) resolve();
        },
        data: () => {},
        ended: () => reject(new Error(connection.farewell || 'the connection was closed')),
      });
      held.push(connection);
      for (let stream = 0; stream < run.streams; stream += 1) connection.open(fields, false);
      connection.flush();
    }).finally(() => clearTimeout(limit));
  }
  return { completed: held.reduce((sum, { streams }) => sum + streams.size, 0) };
}

async function runCalls(run: Of<'calls'>): Promise<FrameReply> {
  const fields = requestFields(run.host, false);
  const latencyMs: number[] = [];
  const sentMs = new Map<number, number>();
  let errors = 0;
  let running = true;
  const finish = (id: number): void => {
    latencyMs.push(performance.now() - (sentMs.get(id) ?? Number.NaN));
    sentMs.delete(id);
    connection.streams.delete(id);
  };
  const connection: FrameConnection = new FrameConnection(await dial(run.port), false, {
    headers: ({ id }, end) => void (end && finish(id)),
    data: ({ id }, _length, end) => void (end && finish(id)),
    ended: () => void (running && (errors += 1)),
  });
  const startMs = performance.now();
  const total = run.rate * run.seconds;
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, ((performance.now() - startMs) / 1_000) * run.rate);
    for (; sent < due; sent += 1) sentMs.set(connection.open(fields, true).id, performance.now());
    connection.flush();
    await sleep(1);
  }
  for (let waited = 0; sentMs.size > 0 && waited < 1_000; waited += 10) await sleep(10);
  running = false;
  connection.socket.destroy();
  return { completed: latencyMs.length, errors: errors + sentMs.size, latencyMs, farewell: connection.farewell };
}

async function flood(run: Of<'flood'>): Promise<FrameReply> {
  const endMs = performance.now() + run.seconds * 1_000;
  const closedMs: number[] = [];
  let endured = 0;
  while (performance.now() < endMs) {
    const ms = await floodOnce(run, endMs);
    if (ms === undefined) continue;
    if (ms >= ENDURED_MS) endured += 1;
    closedMs.push(ms);
    // Whoever is cut off comes back, but not in the same instant.
    await sleep(50);
  }
  return { closedMs, endured };
}

/** Undefined when the time was up first. */
async function floodOnce({ port, host, kind, from }: Of<'flood'>, endMs: number): Promise<number | undefined> {
  const socket = await dial(port, from);
  const state = { closed: false, steps: 0, heardMs: 0 };
  const ignore: FrameEvents = {
    headers: () => {},
    data: () => {},
    ended: (id) => void (id === 0 && (state.closed = true)),
  };
  const connection = new FrameConnection(socket, false, ignore);
  const heard = new Promise<void>((resolve) => {
    socket.once('data', () => {
      state.heardMs = performance.now();
      resolve();
    });
    socket.once('close', () => resolve());
  });
  // Who is made to wait floods nobody, and filling the kernel's buffers would only take the processor from the others' client.
  connection.flush();
  await Promise.race([heard, sleep(Math.max(0, endMs - performance.now()), undefined, { ref: false })]);
  const write = makeFlood(kind, connection, host);
  const untilMs = (): number => (state.heardMs === 0 ? endMs : Math.min(endMs, state.heardMs + ENDURED_MS));
  while (!state.closed && performance.now() < untilMs()) {
    for (let count = 0; count < BURST_FRAMES && !state.closed; count += 1) write(state.steps++);
    connection.flush();
    // Some 200,000 frames a second: others on this processor must not wait for us.
    await (socket.writableNeedDrain && !state.closed ? drained(socket) : sleep(1));
  }
  const ms = state.heardMs === 0 ? 0 : performance.now() - state.heardMs;
  socket.destroy();
  return state.closed || ms >= ENDURED_MS ? ms : undefined;
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off('drain', done).off('close', done);
      resolve();
    };
    const timer = setTimeout(done, 100);
    socket.once('drain', done).once('close', done);
  });
}

/** What writes the frames of the nth step. */
function makeFlood(kind: FloodKind, connection: FrameConnection, host: string): (step: number) => void {
  const get = requestFields(host, false);
  const call = requestFields(host, true);
  const none = Buffer.alloc(0);
  switch (kind) {
    case 'rapid-reset':
      return () => {
        const { id } = connection.open(get, true);
        connection.raw(frame(frameTypes.reset, 0, id, uint32(8)));
      };
    case 'made-you-reset':
      // Credit of nothing is an error of the stream, which the server has to reset.
      return () => {
        const { id } = connection.open(get, true);
        connection.raw(frame(frameTypes.windowUpdate, 0, id, uint32(0)));
      };
    case 'continuation':
      return (step) => {
        if (step === 0) connection.raw(frame(frameTypes.headers, flags.endStream, 1, get));
        else connection.raw(frame(frameTypes.continuation, 0, 1, field(`x-${step}`, 'y'.repeat(64))));
      };
    case 'settings':
      return () => connection.raw(frame(frameTypes.settings, 0, 0, Buffer.from([0, 5, 0, 0, 0x40, 0])));
    case 'ping':
      return () => connection.raw(frame(frameTypes.ping, 0, 0, Buffer.alloc(8)));
    case 'empty-data':
      return (step) => {
        if (step === 0) connection.open(call, false);
        else connection.raw(frame(frameTypes.data, 0, 1, none));
      };
    case 'priority':
      return (step) =>
        connection.raw(frame(frameTypes.priority, 0, 1 + 2 * (step % 1_000), Buffer.from([0, 0, 0, 0, 16])));
    case 'window-update':
      return () => connection.raw(frame(frameTypes.windowUpdate, 0, 0, uint32(1)));
    case 'tiny-windows':
      // One byte of each body, and one more, and one more.
      return (step) => {
        if (step === 0) connection.raw(frame(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 1])));
        if (step < 90) connection.open(get, true);
        else connection.raw(frame(frameTypes.windowUpdate, 0, 1 + 2 * (step % 90), uint32(1)));
      };
    case 'hpack-bomb':
      return (step) => {
        const entry = step === 0 ? [Buffer.from([0x40]), field('x-bomb', 'z'.repeat(4_000)).subarray(1)] : [];
        const fields = Buffer.concat([get, ...entry, Buffer.alloc(4_000, 0xbe)]);
        connection.open(fields, true);
      };
    case 'table-size': {
      // Down to nothing and up again, as often as a block holds.
      const flips = Buffer.concat(Array.from({ length: 1_000 }, () => Buffer.from([0x20, 0x3f, 0xe1, 0x1f])));
      const fields = Buffer.concat([flips, get]);
      return () => connection.open(fields, true);
    }
  }
}

async function obey(command: FrameCommand): Promise<FrameReply> {
  switch (command.do) {
    case 'upstream':
      return startUpstream();
    case 'messages':
      return runMessages(command);
    case 'hold':
      return hold(command);
    case 'calls':
      return runCalls(command);
    case 'release':
      for (const { socket } of held.splice(0)) socket.destroy();
      return {};
    case 'flood':
      return flood(command);
  }
}

await answerLines(obey);
