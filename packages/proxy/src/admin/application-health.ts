import { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import type { ApplicationProbe, ProbeTable } from '@weft/injection';
import { bracketedHost } from '@weft/kernel';
import { openApplication } from '../transport/application-door.ts';
import type { ApplicationDoor } from '../transport/application-door.ts';

/** What the kubelet is told. */
export interface ProbeAnswer {
  readonly status: number;
  readonly text: string;
}

/** As long as kubelets take an answer to be fine (Kubernetes counts redirects as such). */
const FIRST_BAD_STATUS = 400;
/** Whoever reaches the port may ask; the application is asked no faster than kubelets of many probes would. */
const MOST_AT_ONCE = 64;
/** `grpc.health.v1.HealthCheckResponse.SERVING`. */
const SERVING = 1;
const GRPC_OK = '0';
const MOST_REPLY_BYTES = 1_024;

/**
 * Makes the probes of the kubelet at the application, from inside of the pod: under Strict nobody else reaches it in plaintext.
 * Each answers like the probe itself would.
 */
export class ApplicationHealth {
  private readonly table: ProbeTable;
  private readonly doorOf: (port: number) => ApplicationDoor;
  private running: number;

  /** `doorOf` says where the application listens. */
  constructor(table: ProbeTable, doorOf: (port: number) => ApplicationDoor) {
    this.table = table;
    this.doorOf = doorOf;
    this.running = 0;
  }

  async answer(path: string): Promise<ProbeAnswer> {
    const probe = Object.hasOwn(this.table, path) ? this.table[path] : undefined;
    if (probe === undefined) return { status: 404, text: 'there is no such probe' };
    if (this.running >= MOST_AT_ONCE) return { status: 503, text: 'too many probes at once' };
    this.running += 1;
    try {
      const opened = await openApplication(this.doorOf(probe.port), probe.timeoutMs).catch((error: unknown) => error);
      return opened instanceof Socket ? await this.make(probe, opened) : unreachable(opened as NodeJS.ErrnoException);
    } finally {
      this.running -= 1;
    }
  }

  private make(probe: ApplicationProbe, socket: Socket): Promise<ProbeAnswer> {
    if (probe.type === 'http') return this.probeHttp(probe, socket);
    if (probe.type === 'grpc') return this.probeGrpc(probe, socket);
    // That it was accepted is all there is to know.
    socket.destroy();
    return Promise.resolve(passed);
  }

  private probeHttp(probe: ApplicationProbe & { type: 'http' }, socket: Socket): Promise<ProbeAnswer> {
    const { port, path, timeoutMs } = probe;
    return new Promise((resolve) => {
      const { request } = process.getBuiltinModule('node:http');
      const host = socket.remoteAddress ?? '';
      const createConnection = (): Socket => (probe.scheme === 'https' ? unchecked(socket) : socket);
      const headers = { 'user-agent': 'kube-probe/weft', ...Object.fromEntries(probe.headers) };
      const sent = request({ host, port, path, headers, createConnection }, (response) => {
        const status = response.statusCode ?? 502;
        settle(status < FIRST_BAD_STATUS ? passed : { status, text: `the application answered ${status}` });
      });
      const timer = sent.setTimeout(timeoutMs, () => settle(late(timeoutMs)));
      const settle = (answer: ProbeAnswer): void => {
        resolve(answer);
        timer.destroy();
        socket.destroy();
      };
      sent.on('error', (error: NodeJS.ErrnoException) => settle(unreachable(error)));
      sent.end();
    });
  }

  /** https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
  private probeGrpc(probe: ApplicationProbe & { type: 'grpc' }, socket: Socket): Promise<ProbeAnswer> {
    const { port, service, timeoutMs } = probe;
    return new Promise((resolve) => {
      const authority = `http://${bracketedHost(socket.remoteAddress ?? '')}:${port}`;
      const session = process.getBuiltinModule('node:http2').connect(authority, { createConnection: () => socket });
      const settle = (answer: ProbeAnswer): void => {
        resolve(answer);
        session.destroy();
      };
      session.on('error', (error) => settle(unreachable(error)));
      session.setTimeout(timeoutMs, () => settle(late(timeoutMs)));
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      let reply = Buffer.alloc(0);
      let status: string | undefined;
      const takeStatus = (headers: NodeJS.Dict<string | string[]>): void => {
        status = String(headers['grpc-status'] ?? status ?? '');
      };
      stream.on('response', takeStatus);
      stream.on('trailers', takeStatus);
      stream.on('data', (chunk: Buffer) => {
        reply = Buffer.concat([reply, chunk]);
        if (reply.length > MOST_REPLY_BYTES) settle({ status: 502, text: 'the application answers too much' });
      });
      stream.on('error', (error) => settle(unreachable(error)));
      stream.on('end', () => settle(grpcAnswer(reply, status)));
      stream.end(healthRequest(service));
    });
  }
}

const passed: ProbeAnswer = { status: 200, text: 'ok' };

function late(timeoutMs: number): ProbeAnswer {
  return { status: 504, text: `the application did not answer within ${timeoutMs} ms` };
}

function unreachable(error: NodeJS.ErrnoException): ProbeAnswer {
  return { status: 502, text: `the application cannot be reached (${error.code ?? error.message})` };
}

/** A gRPC frame with `HealthCheckRequest { string service = 1; }`. */
function healthRequest(service: string): Buffer {
  const name = Buffer.from(service.slice(0, 100), 'utf8');
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** `HealthCheckResponse { ServingStatus status = 1; }`: one varint below 128. */
function grpcAnswer(reply: Buffer, status: string | undefined): ProbeAnswer {
  if (status !== GRPC_OK) return { status: 502, text: `the application answered gRPC status ${status ?? 'none'}` };
  const serving = reply.length >= 7 && reply[5] === 0x08 && reply[6] === SERVING;
  return serving ? passed : { status: 503, text: 'the application says that it is not serving' };
}

/** As the kubelet asks: it takes any certificate. */
function unchecked(socket: Socket): Socket {
  return process.getBuiltinModule('node:tls').connect({ socket, rejectUnauthorized: false });
}
