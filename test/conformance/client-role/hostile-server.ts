import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { CLIENT_PREFACE, http2ErrorName } from '@weft/http';
import { FrameFlag, FrameType, frame, readFrames } from '../../../packages/http/src/http2/event-recorder.ts';
import type { HostileCase } from './hostile-cases.ts';

/** A client that is examined: it asks `GET /` of an HTTP/2 server on a port of loopback. */
export interface ClientSubject {
  readonly name: string;
  /** Resolves with `<status> <body>`, or with `failed <why>`. */
  ask(port: number): Promise<string>;
  /** Ends what `ask` left open. */
  close(): void;
}

const CASE_MS = 4_000;

/** Plays a case to the client and throws when its verdict is another. */
export async function playCase(subject: ClientSubject, hostile: HostileCase): Promise<void> {
  const server = await HostileServer.start(hostile);
  try {
    const asked = subject.ask(server.port);
    let answer: string | undefined;
    void asked.then((text) => {
      answer = text;
      server.changed();
    });
    const wanted = hostile.verdict.split(' or ');
    const met = (): boolean => wanted.some((verdict) => isMet(verdict, server, answer));
    if (!(await server.until(met, CASE_MS))) {
      const end = server.ended ? ', ended' : '';
      throw new Error(
        `wanted ${hostile.verdict}; it said ${server.faults().join(', ') || 'nothing'}${end}; ${answer ?? 'no answer'}`,
      );
    }
  } finally {
    subject.close();
    server.close();
  }
}

function isMet(verdict: string, server: HostileServer, answer: string | undefined): boolean {
  const [kind, ...rest] = verdict.split(' ');
  const text = rest.join(' ');
  const goaways = server.faults().filter((fault) => fault.startsWith('goaway') && fault !== 'goaway no-error');
  const connection = (): boolean => server.ended && goaways.some((fault) => text.split(',').includes(fault.slice(7)));
  switch (kind) {
    case 'connection':
      return connection();
    case 'stream':
      return connection() || server.faults().includes(`rst 1 ${text}`);
    case 'answer':
      return answer?.startsWith(text) === true && goaways.length === 0;
    case 'reply':
      return server.said.includes(Buffer.from(text, 'hex'));
    case 'refused':
      return answer?.startsWith('failed') === true && goaways.length === 0;
    default:
      throw new Error(`no such verdict: ${verdict}`);
  }
}

/** One connection of a scripted server: SETTINGS, then what the case says once the request has come. */
class HostileServer {
  port: number;
  /** Everything behind the client's preface. */
  said: Buffer;
  /** The client has ended its direction. */
  ended: boolean;
  private readonly hostile: HostileCase;
  private readonly sockets: Set<Socket>;
  private readonly server: ReturnType<typeof createServer>;
  private played: boolean;
  private wake: () => void;

  private constructor(hostile: HostileCase) {
    this.port = 0;
    this.said = Buffer.alloc(0);
    this.ended = false;
    this.hostile = hostile;
    this.sockets = new Set();
    this.played = false;
    this.wake = () => {};
    this.server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.serve(socket));
  }

  static async start(hostile: HostileCase): Promise<HostileServer> {
    const server = new HostileServer(hostile);
    server.server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    server.port = (server.server.address() as AddressInfo).port;
    return server;
  }

  /** GOAWAY and RST_STREAM that the client said, as `goaway <code>` and `rst <stream> <code>`. */
  faults(): string[] {
    return wholeFrames(this.said).flatMap(({ type, streamId, payload }) => {
      if (type === FrameType.RstStream) return [`rst ${streamId} ${http2ErrorName(payload.readUInt32BE(0))}`];
      return type === FrameType.Goaway ? [`goaway ${http2ErrorName(payload.readUInt32BE(4))}`] : [];
    });
  }

  changed(): void {
    this.wake();
  }

  async until(met: () => boolean, limitMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
      this.wake = () => {
        if (met()) resolve();
      };
      this.wake();
    });
    clearTimeout(timer);
    return met();
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    const { hostile } = this;
    if (hostile.unsettled === true) this.play(socket);
    else socket.write(frame(FrameType.Settings, 0, 0));
    let heard = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      this.said = heard.subarray(CLIENT_PREFACE.length);
      if (!this.played && wholeFrames(this.said).some(({ type }) => type === FrameType.Headers)) this.play(socket);
      this.wake();
    });
    const end = (): void => {
      this.ended = true;
      this.wake();
    };
    socket.on('end', end);
    socket.on('close', end);
  }

  private play(socket: Socket): void {
    this.played = true;
    if (this.hostile.unsettled !== true) socket.write(frame(FrameType.Settings, FrameFlag.Ack, 0));
    const once = Buffer.concat(this.hostile.frames);
    socket.write(Buffer.concat(Array.from({ length: this.hostile.times ?? 1 }, () => once)));
  }
}

/** Frames that have come whole. */
function wholeFrames(bytes: Buffer): ReturnType<typeof readFrames> {
  let end = 0;
  while (end + 9 <= bytes.length && end + 9 + bytes.readUIntBE(end, 3) <= bytes.length) {
    end += 9 + bytes.readUIntBE(end, 3);
  }
  return readFrames(bytes.subarray(0, end));
}
