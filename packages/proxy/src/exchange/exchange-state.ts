import { TriedEndpoints } from '@weft/balance';
import type { EndpointState } from '@weft/balance';
import { RouteDecision } from '@weft/decision';
import type { BackendState, Tables } from '@weft/decision';
import { Head, RequestFacts, ResponseFacts } from '@weft/http';
import type { Timer } from '@weft/kernel';
import type { DestinationKey } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import type { SpanContext } from '@weft/telemetry';
import type { StreamSource } from '../upstream/connection-pool.ts';
import { Carriage } from '../upstream/request-carriage.ts';
import type { UpstreamStream } from '../upstream/upstream-stream.ts';
import type { DownstreamStream, HttpProtocol } from './downstream-stream.ts';
import type { Engine } from './engine.ts';
import type { ExchangeFacts, FailedTryFacts } from './exchange-facts.ts';
import { GrpcCall } from './grpc-call.ts';
import { requestSlotCount } from './head-slots.ts';
import type { Ingress } from './ingress.ts';
import { NamedDestination } from './named-destination.ts';
import { RequestBody } from './request-body.ts';

/**
 * Where an exchange stands. Everything that can wait is a state here and nothing else waits.
 *
 *   Idle -> Config -> Connecting -> Sent -> Responding -> Idle
 *             |        ^   |          |          `-> Tunnel -> Idle
 *             |        `Backoff <-----'
 *             `-------------- reply or refusal -> Idle
 */
export const State = { Idle: 0, Config: 1, Connecting: 2, Backoff: 3, Sent: 4, Responding: 5, Tunnel: 6 } as const;
export type State = (typeof State)[keyof typeof State];

/** Stands for none between requests. */
export const NO_HEAD = new Head();

/**
 * All that an exchange knows, and nothing that it does: set at birth, so that all exchanges are of one hidden class, and set
 * anew for each request. Written by `Exchange` and by the functions that it hands itself to, which each name what they use.
 */
export abstract class ExchangeState implements ExchangeFacts {
  readonly engine: Engine;
  readonly ingress: Ingress;
  readonly downstream: DownstreamStream;
  readonly decision: RouteDecision;

  // Facts of the request, valid from `begin` to `finish`; read by the recorder.
  head: Head;
  tables: Tables;
  destination: string;
  startMs: number;
  requestId: string;
  traceId: string;
  span: SpanContext | null;
  clientSpanId: string;
  firstTryMs: number;
  status: number;
  grpcStatus: number;
  requestBytes: number;
  responseBytes: number;
  attempts: number;
  upstreamMs: number;
  connectMs: number;
  tlsMs: number;
  tryStartMs: number;
  sentMs: number;
  score: number;
  rival: EndpointState | null;
  rivalScore: number;
  requestDeadlineMs: number;
  failedTries: FailedTryFacts[] | null;
  retried: boolean;
  budgetSpent: boolean;
  endpoint: EndpointState | null;
  backend: BackendState | null;

  // `LeaseWaiter`.
  freshWithinMs: number;
  connectTimeoutMs: number;
  carriage: Carriage;

  state: State;
  stream: UpstreamStream | null;
  /** Which a stream is waited for. */
  pool: StreamSource | null;
  readonly tried: TriedEndpoints;
  readonly requestFacts: RequestFacts;
  readonly slots: (string | undefined)[];
  readonly responseFacts: ResponseFacts;
  readonly timer: Timer;
  responseBegun: boolean;
  readonly body: RequestBody;
  readonly call: GrpcCall;
  tryStarted: boolean;
  tryDeadlineMs: number;
  idleMs: number;
  lastMovedMs: number;
  responseTrailers: Head | null;
  destinationAsked: DestinationKey;
  readonly named: NamedDestination;
  /** A failed try could be followed by another, so it may find out whether an endpoint works again. */
  mayProbe: boolean;
  /** Of the present try; 0 before its head. */
  headStatus: number;
  headWorked: boolean;
  /** Why the sidecar of the endpoint answered in its place; '' when the application did. */
  peerRefused: TerminationCode | '';
  /** From the trailers of the present try; -1 without one. */
  trailersGrpcStatus: number;
  /** Other streams were open on the connections of both sides when the present try was sent. */
  shared: boolean;

  constructor(engine: Engine, downstream: DownstreamStream, ingress: Ingress) {
    this.engine = engine;
    this.ingress = ingress;
    this.downstream = downstream;
    this.decision = new RouteDecision();
    this.head = NO_HEAD;
    this.tables = engine.tables;
    this.destination = '';
    this.startMs = 0;
    this.requestId = '';
    this.traceId = '';
    this.span = null;
    this.clientSpanId = '';
    this.firstTryMs = 0;
    this.status = 0;
    this.grpcStatus = -1;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.attempts = 0;
    this.upstreamMs = -1;
    this.connectMs = -1;
    this.tlsMs = -1;
    this.score = -0.5;
    this.rival = null;
    this.rivalScore = -0.5;
    this.failedTries = null;
    this.retried = false;
    this.budgetSpent = false;
    this.endpoint = null;
    this.backend = null;
    this.freshWithinMs = Number.POSITIVE_INFINITY;
    this.connectTimeoutMs = 0;
    this.carriage = Carriage.Any;
    this.state = State.Idle;
    this.stream = null;
    this.pool = null;
    this.tried = new TriedEndpoints();
    this.requestFacts = new RequestFacts();
    this.responseFacts = new ResponseFacts();
    this.slots = Array.from({ length: requestSlotCount }, () => undefined);
    this.requestFacts.slots = this.slots;
    this.timer = engine.wheel.create(() => this.onTimer());
    this.responseBegun = false;
    this.body = new RequestBody();
    this.call = new GrpcCall();
    this.tryStarted = false;
    this.tryStartMs = 0;
    this.sentMs = 0;
    this.requestDeadlineMs = Number.POSITIVE_INFINITY;
    this.tryDeadlineMs = Number.POSITIVE_INFINITY;
    this.idleMs = 0;
    this.lastMovedMs = 0;
    this.responseTrailers = null;
    this.destinationAsked = '';
    this.named = new NamedDestination();
    this.mayProbe = false;
    this.headStatus = 0;
    this.headWorked = true;
    this.peerRefused = '';
    this.trailersGrpcStatus = -1;
    this.shared = false;
  }

  get protocol(): HttpProtocol {
    return this.downstream.protocol;
  }

  get durationMs(): number {
    return this.engine.nowMs - this.startMs;
  }

  /** True while a request is under way. */
  get active(): boolean {
    return this.state !== State.Idle || this.head !== NO_HEAD;
  }

  protected abstract onTimer(): void;

  /** Nothing is left of the request before. */
  protected reset(head: Head): void {
    const { engine } = this;
    const { nowMs } = engine;
    this.head = head;
    this.tables = this.ingress.kind === 'inbound' ? engine.localTables : engine.tables;
    this.destination = '';
    this.startMs = nowMs;
    this.requestId = '';
    this.traceId = '';
    this.span = null;
    this.clientSpanId = '';
    this.firstTryMs = 0;
    this.status = 0;
    this.grpcStatus = -1;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.attempts = 0;
    this.upstreamMs = -1;
    this.connectMs = -1;
    this.tlsMs = -1;
    this.rival = null;
    this.failedTries = null;
    this.retried = false;
    this.budgetSpent = false;
    this.endpoint = null;
    this.backend = null;
    // A request that no rule decides must not be logged under the rule of the one before.
    this.decision.rule = undefined;
    this.responseBegun = false;
    this.responseTrailers = null;
    this.shared = false;
    this.body.begin();
    this.call.begin(head);
    this.requestDeadlineMs = Number.POSITIVE_INFINITY;
    this.tryDeadlineMs = Number.POSITIVE_INFINITY;
    this.idleMs = 0;
    this.lastMovedMs = nowMs;
    if (this.tried.length > 0) this.tried.clear();
  }
}
