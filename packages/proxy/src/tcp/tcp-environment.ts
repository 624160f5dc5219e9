import type { Socket } from 'node:net';
import type { BackendState } from '@weft/decision';
import type { ConnectionPolicy } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import type { ApplicationDoor } from '../transport/application-door.ts';
import type { DialTls } from '../transport/dial.ts';
import type { TcpFacts } from './tcp-facts.ts';

/** What TCP connections ask of the process that they run in, beside what an exchange asks. */
export interface TcpEnvironment {
  readonly recorder: TcpRecorder;
  /** Mesh TLS with `weft-tcp` inside; null until this process has an identity. */
  dialTcp(): DialTls | null;
  /** Those that carry connections right now: they hear when the roots change. */
  readonly carriers: Set<TcpCarrier>;
  /** This worker's share of what the policy allows. */
  connections(backend: BackendState): ConnectionPolicy;
  /** The ways to the local application; null where the backend is anything else. */
  doorOf(backend: BackendState): ApplicationDoor | null;
  /** The application on this port speaks no HTTP. */
  learned(applicationPort: number): void;
  /** True for an address that this process listens on. */
  isOwnAddress(address: string, port: number): boolean;
}

/** Carries connections to peers that must be vouched for. */
export interface TcpCarrier {
  /** Ends those whose endpoint is vouched for by no root in force. */
  renewed(vouched: (socket: Socket) => boolean): void;
}

/** Takes the facts of TCP connections. Decides nothing. */
export interface TcpRecorder {
  begun(session: TcpFacts): void;
  /** Bytes since the last call: once a second for what is open, and before `ended`. */
  moved(session: TcpFacts, receivedBytes: number, sentBytes: number): void;
  ended(session: TcpFacts, code: TerminationCode, detail: string): void;
}
