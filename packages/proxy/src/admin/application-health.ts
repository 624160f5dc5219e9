import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import type { ApplicationProbe, ProbeTable } from '@weft/injection';

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
  private readonly host: string;
  private running: number;

  /** `host` is where the application listens. */
  constructor(table: ProbeTable, host: string) {
    this.table = table;
    this.host = host;
    this.running = 0;
  }

  async answer(path: string): Promise<ProbeAnswer> {
    const probe = Object.hasOwn(this.table, path) ? this.table[path] : undefined;
    if (probe === undefined) return { status: 404, text: 'there is no such probe' };
    if (this.running >= MOST_AT_ONCE) return { status: 503, text: 'too many probes at once' };
    this.running += 1;
    try {
      return await this.make(probe);
    } finally {
      this.running -= 1;
    }
  }

  private make(probe: ApplicationProbe): Promise<ProbeAnswer> {
    if (probe.type === 'http') return this.probeHttp(probe);
    return probe.type === 'grpc' ? this.probeGrpc(probe) : this.probeTcp(probe);
  }

  private probeHttp(probe: ApplicationProbe & { type: 'http' }): Promise<ProbeAnswer> {
    const { host } = this;
    const { port, path, timeoutMs } = probe;
    return new Promise((resolve) => {
      const name = probe.scheme === 'https' ? 'node:https' : 'node:http';
      const { request } = process.getBuiltinModule(name);
      const headers = { 'user-agent': 'kube-probe/weft', ...Object.fromEntries(probe.headers) };
      // As the kubelet asks: it takes any certificate.
      const sent = request({ host, port, path, headers, agent: false, rejectUnauthorized: false }, (response) => {
        const status = response.statusCode ?? 502;
        settle(status < FIRST_BAD_STATUS ? passed : { status, text: `the application answered ${status}` });
      });
      const timer = sent.setTimeout(timeoutMs, () => settle(late(timeoutMs)));
      const settle = (answer: ProbeAnswer): void => {
        resolve(answer);
        timer.destroy();
      };
      sent.on('error', (error: NodeJS.ErrnoException) => resolve(unreachable(error)));
      sent.end();
    });
  }

  private probeTcp({ port, timeoutMs }: ApplicationProbe): Promise<ProbeAnswer> {
    return new Promise((resolve) => {
      const socket = connect({ host: this.host, port });
      const settle = (answer: ProbeAnswer): void => {
        resolve(answer);
        socket.destroy();
      };
      socket.setTimeout(timeoutMs, () => settle(late(timeoutMs)));
      socket.on('connect', () => settle(passed));
      socket.on('error', (error) => settle(unreachable(error)));
    });
  }

  /** https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
  private probeGrpc({ port, service, timeoutMs }: ApplicationProbe & { type: 'grpc' }): Promise<ProbeAnswer> {
    return new Promise((resolve) => {
      const session = process.getBuiltinModule('node:http2').connect(`http://${bracketed(this.host)}:${port}`);
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

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
