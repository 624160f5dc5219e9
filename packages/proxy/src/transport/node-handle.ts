import { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import type { Server } from 'node:net';

/**
 * The few places where the data plane reaches under `net.Socket`.
 *
 * Node documents reading into a caller's buffer (`onread`) for outgoing sockets only, and has no call that says whether
 * a write finished at once. Both are worth having: without them a read costs two allocations and a copy (1.7 us and up),
 * a write a trip through the stream machinery and a nextTick (0.8 us). What is used here is the handle of a socket
 * (`writeBuffer`, `useUserBuffer`, `onconnection`) as it is in Node 26. The calling convention changed between lines and
 * a wrong call aborts the process, so `directHandles` is true only on the major line that this file was tested with;
 * otherwise the pipe uses the documented stream interface, slower and otherwise the same.
 */
export const directHandles: boolean = process.versions.node.startsWith('26.') && symbolsFound();

/** What `writeBuffer` returns when the write is under way: keeps the data alive and calls back. */
export interface WriteRequest {
  handle: SocketHandle;
  oncomplete: (this: WriteRequest, status: number) => void;
  buffer: Buffer;
  pipe: unknown;
}

export interface SocketHandle {
  /** 0: done, nothing is kept. Below 0: failed. An object: under way, the buffer belongs to it until `oncomplete`. */
  writeBuffer(request: null, data: Buffer): number | WriteRequest;
  useUserBuffer(buffer: Buffer): void;
}

/** The socket's handle, or null once it is destroyed. */
export function handleOf(socket: Socket): SocketHandle | null {
  return (socket as unknown as { _handle: SocketHandle | null })._handle;
}

/**
 * Has `socket` read into `buffer` and call `callback` with the count, in place of 'data' events. Before any reading. `next`
 * gives the buffer for the read after each; null keeps the one.
 */
export function readInto(
  socket: Socket,
  buffer: Buffer,
  callback: (count: number, buffer: Buffer) => boolean,
  next: (() => Buffer) | null = null,
): void {
  const fields = socket as unknown as Record<symbol, unknown>;
  fields[symbols.buffer] = buffer;
  fields[symbols.callback] = callback;
  if (next !== null) fields[symbols.generator] = next;
  handleOf(socket)?.useUserBuffer(buffer);
}

/**
 * Makes the accepted sockets of a listening server without their own 'connection' event, a stream's read buffer or
 * address look-ups. Connections are counted as `net.Server` counts them, so `close` waits for them.
 */
export function acceptDirect(server: Server, accept: (socket: Socket) => void): void {
  const counted = server as unknown as { _handle: { onconnection: unknown }; _connections: number };
  counted._handle.onconnection = (error: number, handle: { setNoDelay(on: boolean): void; close(): void }) => {
    if (error) {
      server.emit('error', Object.assign(new Error(`accept failed (${error})`), { code: 'EACCEPT', errno: error }));
      return;
    }
    handle.setNoDelay(true);
    const options: unknown = { handle, allowHalfOpen: true, readable: true, writable: true };
    const socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
    counted._connections += 1;
    (socket as unknown as { _server: Server })._server = server;
    accept(socket);
  };
}

const symbols = findSymbols();

function findSymbols(): { buffer: symbol; callback: symbol; generator: symbol } {
  const probe = new Socket({ onread: { buffer: Buffer.alloc(1), callback: () => true } } as ConstructorParameters<
    typeof Socket
  >[0]);
  const own = Object.getOwnPropertySymbols(probe);
  return {
    buffer: own.find((symbol) => symbol.description === 'kBuffer') ?? Symbol('absent'),
    callback: own.find((symbol) => symbol.description === 'kBufferCb') ?? Symbol('absent'),
    generator: own.find((symbol) => symbol.description === 'kBufferGen') ?? Symbol('absent'),
  };
}

function symbolsFound(): boolean {
  const found = findSymbols();
  return [found.buffer, found.callback, found.generator].every(({ description }) => description !== 'absent');
}
