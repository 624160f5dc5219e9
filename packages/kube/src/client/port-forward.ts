/**
 * Connections to a port of a pod, carried by the API server: one WebSocket each, in the protocol that kubelets speak
 * (`v4.channel.k8s.io`). A message begins with the number of its channel: 0 carries bytes, 1 what went wrong; the first
 * message of each names the port. There is no half-close.
 */
import { type Socket, type connect, isIP } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type Result, fail, ok } from '@weft/kernel';
import { WebSocket } from 'ws';
import type { ClusterAccess } from './cluster-access.ts';
import { type KubeFault, readFault, unreachable } from './kube-fault.ts';
import { openTunnel } from './proxy-tunnel.ts';

export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

const PROTOCOL = 'v4.channel.k8s.io';
const DATA = 0;
const HANDSHAKE_MS = 15_000;
const MOST_MESSAGE_BYTES = 8 * 1024 * 1024;
const MOST_FAULT_BYTES = 64 * 1024;
/** Messages of this size pass every server on the way; `ws` would send a whole chunk as one. */
const SENT_BYTES = 32 * 1024;

/** Dials a port of a pod, on its loopback. What goes wrong once it is open ends the stream with an error. */
export async function forwardPort(
  access: ClusterAccess,
  { namespace, pod, port }: PodPort,
): Promise<Result<Duplex, KubeFault>> {
  const { server, prefix = '', ca, certificate, key, serverName, skipVerify, proxy } = access;
  let token: string;
  try {
    // It may have to run a program that gives it. Before the tunnel, which would be left open.
    token = access.token();
  } catch (error) {
    return fail(unreachable(error));
  }
  const tunnel =
    proxy === undefined
      ? undefined
      : await new Promise<Result<Socket, string>>((done) => openTunnel(proxy, new URL(server), done));
  if (tunnel?.ok === false) return fail(unreachable(new Error(tunnel.error)));
  const place = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward`;
  return new Promise((resolve) => {
    const socket = new WebSocket(`${server.replace(/^http/, 'ws')}${prefix}${place}?ports=${port}`, PROTOCOL, {
      headers: {
        'user-agent': 'weft',
        ...access.headers,
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      },
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: MOST_MESSAGE_BYTES,
      perMessageDeflate: false,
      ...(ca === undefined ? {} : { ca }),
      ...(certificate === undefined ? {} : { cert: certificate }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(skipVerify === true ? { rejectUnauthorized: false } : {}),
      ...(tunnel === undefined ? {} : { createConnection: through(tunnel.value, server) }),
    });
    socket.binaryType = 'nodebuffer';
    socket.once('open', () => resolve(ok(new ForwardedConnection(socket))));
    socket.once('unexpected-response', (_, response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        if (text.length < MOST_FAULT_BYTES) text += part;
      });
      response.once('error', (error) => resolve(fail(unreachable(error))));
      response.once('end', () => resolve(fail(readFault(response.statusCode ?? 0, readJson(text), ''))));
    });
    // Stays, so that what comes after `open` throws nowhere; the connection has its own ear for it.
    socket.on('error', (error) => resolve(fail(unreachable(error))));
  });
}

/** Makes connections of a tunnel that is open already. */
function through(tunnel: Socket, server: string): typeof connect {
  const { hostname, protocol } = new URL(server);
  const host = hostname.replace(/^\[|\]$/g, '');
  const dial = (options: ConnectionOptions): Socket => {
    if (protocol !== 'https:') return tunnel;
    // Addresses are no server names (RFC 6066, section 3).
    const servername = options.servername || (isIP(host) === 0 ? host : '');
    return connectTls({ ...options, host, socket: tunnel, servername });
  };
  return dial as typeof connect;
}

class ForwardedConnection extends Duplex {
  private readonly socket: WebSocket;
  /** Channels whose first message, the port, is still to come. */
  private readonly unnamed: Set<number>;

  constructor(socket: WebSocket) {
    super({ allowHalfOpen: false });
    this.socket = socket;
    this.unnamed = new Set([DATA, DATA + 1]);
    socket.on('message', (message: Buffer) => this.receive(message));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => {
      this.push(null);
      this.end();
    });
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    for (let from = 0; from < chunk.length; from += SENT_BYTES) {
      const part = chunk.subarray(from, from + SENT_BYTES);
      const message = Buffer.allocUnsafe(part.length + 1);
      message[0] = DATA;
      message.set(part, 1);
      if (from + SENT_BYTES >= chunk.length) this.socket.send(message, (error) => done(error ?? null));
      else this.socket.send(message);
    }
    if (chunk.length === 0) done();
  }

  override _final(done: () => void): void {
    this.socket.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.terminate();
    done(error);
  }

  private receive(message: Buffer): void {
    const channel = message[0] ?? DATA;
    if (this.unnamed.delete(channel)) return;
    if (channel !== DATA) {
      const said = message.toString('utf8', 1).trim();
      if (said !== '') this.destroy(new Error(said));
    } else if (message.length > 1 && !this.push(message.subarray(1))) this.socket.pause();
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 200).trim() };
  }
}
