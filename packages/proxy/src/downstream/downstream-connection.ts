import type { Http1Limits } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import type { HttpProtocol } from '../exchange/downstream-stream.ts';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import type { BytePipe } from '../transport/byte-pipe.ts';

/** How long a connection may rest or take, milliseconds. */
export interface ListenerDeadlines {
  /** From the first byte of a request to the end of its head. */
  readonly headMs: number;
  /** Between requests. */
  readonly idleMs: number;
}

/** The server side of a connection, as its listener sees it; which version of HTTP it speaks is its own affair. */
export interface DownstreamConnection {
  readonly ingress: Ingress;
  readonly protocol: HttpProtocol;
  readonly pipe: BytePipe;
  /** Requests under way. */
  readonly busyCount: number;
  /** Bytes of answers that wait to be sent, and of requests that wait to be read. */
  readonly bufferedBytes: number;
  /** Looks at its deadlines; called about once a second, so that no request arms a timer for its connection. */
  sweep(nowMs: number, deadlines: ListenerDeadlines): void;
  /** The process drains: the caller is told to go elsewhere, what is under way goes on. */
  drain(): void;
  /** Ends the connection if it is between requests; else it ends behind the last of them. */
  close(code: TerminationCode, detail: string): void;
  /** The leaves it stands on grow old: it ends behind what is under way, or now when it rests. */
  retire(): void;
  /** Ends the connection and whatever runs on it, with the reason. */
  abort(code: TerminationCode, detail: string): void;
}

/** What a connection asks of its listener. */
export interface ConnectionHome {
  readonly engine: Engine;
  readonly limits: Http1Limits;
  /** Set while the process drains: every reply says `close`. */
  readonly draining: boolean;
  connectionClosed(connection: DownstreamConnection, code: TerminationCode, detail: string): void;
  /** A request head was refused before it became a request, and its connection goes on. */
  headRefused(connection: DownstreamConnection, code: TerminationCode, detail: string): void;
  /** It is about to be closed for a flood. */
  flooded(connection: DownstreamConnection): void;
  /** A response waits for the caller's window (RFC 9113 §5.2). */
  stalled(connection: DownstreamConnection): void;
}
