import type { EndpointState } from '@weft/balance';
import type { BackendState, CompiledRule, Tables } from '@weft/decision';
import type { Clock, Random, TimerWheel } from '@weft/kernel';
import type { DestinationKey } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import type { RandomIds } from '@weft/telemetry';
import type { TcpEnvironment } from '../tcp/tcp-environment.ts';
import type { ConnectionPool, StreamSource } from '../upstream/connection-pool.ts';
import type { ExchangeFacts } from './exchange-facts.ts';
import type { Tracing } from './exchange-spans.ts';
import type { TelemetryInForce } from './telemetry-in-force.ts';

/** Hears whether a destination asked for has come. */
export interface DestinationWaiter {
  /** Newer tables are in force, or the control plane says that there is no such destination (`missing`). */
  onDestination(missing: boolean): void;
}

/** What an exchange asks of the process it runs in. One per worker. */
export interface Engine {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly ids: RandomIds;
  readonly recorder: ExchangeRecorder;
  /** What TCP connections need beside. */
  readonly tcp: TcpEnvironment;
  /** Null when requests are not traced. */
  readonly tracing: Tracing | null;
  readonly telemetry: TelemetryInForce;
  /** The namespace that short names are looked up in. */
  readonly namespace: string;
  /** The reading of the clock at the start of this turn: one reading serves all that happens in it. */
  nowMs: number;
  /** Takes a new reading. Called where the event loop enters. */
  tick(): number;
  /** The snapshot in force for what leaves this workload. */
  readonly tables: Tables;
  /** The snapshot in force for what arrives: destinations that stand for the ports of the local application. */
  readonly localTables: Tables;
  pool(backend: BackendState, endpoint: EndpointState): ConnectionPool;
  /** A connection for one CONNECT. */
  tunnel(endpoint: EndpointState): StreamSource;
  /** A request is for this destination: it is in use. */
  use(key: DestinationKey): void;
  /** Asks for a destination that is not held; `waiter` hears once, unless it is forgotten. */
  awaitDestination(key: DestinationKey, waiter: DestinationWaiter): void;
  /** The control plane said lately that this address is none of the mesh's, or did not answer. */
  isOutside(key: DestinationKey): boolean;
  /** Nobody answered whose this address is: not asked again for some seconds. */
  presumeOutside(key: DestinationKey): void;
  forgetWaiter(key: DestinationKey, waiter: DestinationWaiter): void;
  /** A rule for a host outside the mesh, or why there is none. */
  egress(host: string, port: number): { rule: CompiledRule; backend: BackendState } | TerminationCode;
}

/** Takes the facts of exchanges that begin and end. Decides nothing. */
export interface ExchangeRecorder {
  begun(exchange: ExchangeFacts): void;
  /** Another try is planned, admitted by this word of `retries.on`. */
  retried(exchange: ExchangeFacts, reason: string): void;
  ended(exchange: ExchangeFacts, code: TerminationCode, detail: string): void;
}
