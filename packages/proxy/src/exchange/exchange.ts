import type { Buffer } from 'node:buffer';
import { TriedEndpoints } from '@weft/balance';
import type { EndpointState } from '@weft/balance';
import { RouteDecision, decide } from '@weft/decision';
import type { BackendState, CorsRule, NameTable, RouteTable, Tables } from '@weft/decision';
import {
  FieldId,
  Framing,
  Head,
  MethodId,
  RequestFacts,
  ResponseFacts,
  TargetForm,
  GrpcKind,
  encodeGrpcMessage,
  isIdempotentMethod,
  noEdits,
  readAuthority,
} from '@weft/http';
import type { LocalReply } from '@weft/http';
import type { Timer } from '@weft/kernel';
import type { DestinationKey } from '@weft/model';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { planRetry, remainingMs, timeoutCode } from '@weft/resilience';
import type { SpanContext } from '@weft/telemetry';
import type { ConnectionPool, LeaseWaiter } from '../upstream/connection-pool.ts';
import { Carriage, carriageOf } from '../upstream/request-carriage.ts';
import type { UpstreamObserver, UpstreamStream } from '../upstream/upstream-stream.ts';
import type { DownstreamStream, HttpProtocol } from './downstream-stream.ts';
import { requestSlotCount } from './head-slots.ts';
import { GRPC_UNAVAILABLE, GrpcCall, readGrpcStatus } from './grpc-call.ts';
import { KeptBody } from './kept-body.ts';
import { prepareRequestHead, startRequestSpan } from './request-head.ts';
import { fillResponseSlots } from './response-slots.ts';
import { statusTrailers } from './status-trailers.ts';
import type { DestinationWaiter, Engine } from './engine.ts';
import type { ExchangeFacts, FailedTryFacts } from './exchange-facts.ts';
import type { Ingress } from './ingress.ts';
import { startMirrors } from './mirror-request.ts';
import type { MirrorRequest } from './mirror-request.ts';
import { refusalReply } from './refusal-reply.ts';

/** A request for a destination that is not held waits so long for the control plane. */
const CONFIG_WAIT_MS = 1_000;

/**
 * A request that must not be sent twice takes no connection that the peer may be about to close. Below the shortest idle
 * time-out in use (1 s) by as much as a busy machine may be late.
 */
const FRESH_WITHIN_MS = 750;

/**
 * Where an exchange stands. Everything that can wait is a state here and nothing else waits.
 *
 *   Idle -> Config -> Connecting -> Sent -> Responding -> Idle
 *             |        ^   |          |          `-> Tunnel -> Idle
 *             |        `Backoff <-----'
 *             `-------------- reply or refusal -> Idle
 */
const State = { Idle: 0, Config: 1, Connecting: 2, Backoff: 3, Sent: 4, Responding: 5, Tunnel: 6 } as const;

/**
 * One request from its head to its end: routed against one snapshot, sent to one endpoint at a time, answered once, and
 * finished exactly once. The object lives as long as the stream it serves and is used for one request after the other.
 */
export class Exchange implements ExchangeFacts, UpstreamObserver, LeaseWaiter, DestinationWaiter {
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

  private state: number;
  private stream: UpstreamStream | null;
  private pool: ConnectionPool | null;
  private readonly tried: TriedEndpoints;
  readonly requestFacts: RequestFacts;
  readonly slots: (string | undefined)[];
  private readonly responseFacts: ResponseFacts;
  private readonly timer: Timer;
  private requestWhole: boolean;
  private responseBegun: boolean;
  private requestTrailers: Head | null;
  private readonly kept: KeptBody;
  private readonly call: GrpcCall;
  private tryStarted: boolean;
  private tryDeadlineMs: number;
  private idleMs: number;
  private lastMovedMs: number;
  private responseTrailers: Head | null;
  private destinationAsked: string;
  private mirrors: MirrorRequest[] | null;
  // What the host of the request before meant: nearly always what this one's means.
  private lastAuthority: string;
  private lastNames: NameTable | null;
  private lastKey: DestinationKey;
  /** A failed try could be followed by another, so it may find out whether an endpoint works again. */
  private mayProbe: boolean;
  /** Of the present try; 0 before its head. */
  private headStatus: number;
  private headWorked: boolean;
  /** Why the sidecar of the endpoint answered in its place; '' when the application did. */
  private peerRefused: TerminationCode | '';
  /** From the trailers of the present try; -1 without one. */
  private trailersGrpcStatus: number;

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
    this.requestWhole = false;
    this.responseBegun = false;
    this.requestTrailers = null;
    this.kept = new KeptBody();
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
    this.mirrors = null;
    this.lastAuthority = '';
    this.lastNames = null;
    this.lastKey = '';
    this.mayProbe = false;
    this.headStatus = 0;
    this.headWorked = true;
    this.peerRefused = '';
    this.trailersGrpcStatus = -1;
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

  /** The request's head is whole. Everything else follows from here. */
  begin(head: Head): void {
    const { engine } = this;
    const nowMs = engine.nowMs;
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
    this.requestWhole = false;
    this.responseBegun = false;
    this.requestTrailers = null;
    this.responseTrailers = null;
    this.kept.whole = true;
    this.call.begin(head);
    this.requestDeadlineMs = Number.POSITIVE_INFINITY;
    this.tryDeadlineMs = Number.POSITIVE_INFINITY;
    this.idleMs = 0;
    this.lastMovedMs = nowMs;
    if (this.tried.length > 0) this.tried.clear();
    if (engine.tracing !== null) startRequestSpan(this);
    this.route();
  }

  onRequestData(chunk: Buffer, start: number, end: number): void {
    this.requestBytes += end - start;
    this.lastMovedMs = this.engine.nowMs;
    if (this.state === State.Idle) return;
    const { web } = this.call;
    if (web === null) this.takeRequestData(chunk, start, end);
    else {
      const bytes = web.request(chunk, start, end);
      if (bytes === undefined) this.refuseRequestBody('malformed-request-body', 'base64');
      else if (bytes.length > 0) this.takeRequestData(bytes, 0, bytes.length);
    }
  }

  onRequestTrailers(trailers: Head): void {
    this.requestTrailers = trailers;
  }

  onRequestEnd(): void {
    if (this.requestWhole) return;
    if (this.call.web !== null && !this.call.web.requestWhole) {
      this.refuseRequestBody('malformed-request-body', 'base64');
      return;
    }
    this.requestWhole = true;
    if (this.mirrors !== null) for (const mirror of this.mirrors) mirror.end();
    if (this.stream !== null && (this.state === State.Sent || this.state === State.Responding)) {
      this.stream.sendEnd(this.requestTrailers);
    }
  }

  /** The request body broke off or is malformed: nothing of it may look whole to the upstream. */
  refuseRequestBody(code: TerminationCode, detail: string): void {
    if (this.state === State.Idle) return;
    if (this.state === State.Config) this.engine.recorder.begun(this);
    this.finishTry(code);
    if (this.responseBegun) {
      // A second head inside the response would be read as its body.
      this.downstream.cut();
      this.finish(code, detail);
    } else this.reply(code, detail);
  }

  /** The caller's connection is gone, or is being taken away. */
  abort(cause: TerminationCode, detail: string): void {
    if (!this.active) return;
    // A gRPC caller whose deadline is over goes away at the very moment when ours would end: the same failure.
    const code = cause === 'downstream-reset' && this.call.isLate(this.engine.nowMs) ? 'request-timeout' : cause;
    if (this.state === State.Config) this.engine.recorder.begun(this);
    this.finishTry(code);
    this.finish(code, detail);
  }

  onDownstreamDrained(): void {
    this.stream?.resumeResponse();
  }

  onDownstreamTunnelBytes(chunk: Buffer, start: number, end: number): void {
    if (this.stream === null) return;
    this.lastMovedMs = this.engine.nowMs;
    this.requestBytes += end - start;
    this.stream.sendData(chunk, start, end);
    if (this.stream.blocked) this.downstream.pauseRequest();
  }

  onDownstreamTunnelEnd(): void {
    this.stream?.endTunnel();
  }

  /** `DestinationWaiter`. */
  onDestination(missing: boolean): void {
    if (this.state !== State.Config) return;
    this.timer.cancel();
    if (missing) {
      this.refuse('unknown-host', this.destinationAsked);
      return;
    }
    // Nothing has been decided yet, so the newer snapshot is the one this request is served from.
    this.tables = this.engine.tables;
    this.route();
  }

  onLease(stream: UpstreamStream): void {
    if (!stream.reused && this.pool !== null) this.tlsMs = this.pool.lastHandshakeMs;
    this.pool = null;
    this.stream = stream;
    const nowMs = this.engine.nowMs;
    this.connectMs = stream.reused ? -1 : nowMs - this.tryStartMs;
    this.send(stream, nowMs);
  }

  onLeaseFailed(code: TerminationCode, detail: string): void {
    this.pool = null;
    this.onUpstreamFailure(code, detail);
  }

  onUpstreamHead(head: Head): void {
    const nowMs = this.engine.nowMs;
    this.lastMovedMs = nowMs;
    if (head.status < 200 && head.status !== 101) {
      const { responseFacts } = this;
      responseFacts.take(head, this.head.methodId, this.head.minorVersion);
      this.downstream.sendInformational(head, noEdits, responseFacts);
      return;
    }
    const endpoint = this.endpoint!;
    this.upstreamMs = nowMs - this.sentMs;
    this.headStatus = head.status;
    const grpcStatus = readGrpcStatus(head);
    const refused = endpoint.endpoint.mesh ? readRefused(head) : '';
    this.peerRefused = refused;
    this.headWorked = this.backend!.tryHead(
      endpoint,
      nowMs,
      nowMs - this.tryStartMs,
      head.status,
      grpcStatus,
      refused,
      this.sentMs - this.tryStartMs,
    );
    if (this.mayRetryHead(head.status) || grpcStatus > 0 || refused !== '') {
      if (this.retryHead(head, grpcStatus, refused)) return;
    }
    this.respond(head);
  }

  onUpstreamData(chunk: Buffer, start: number, end: number): void {
    this.responseBytes += end - start;
    this.lastMovedMs = this.engine.nowMs;
    const { web } = this.call;
    if (web === null) this.downstream.sendData(chunk, start, end);
    else {
      const bytes = web.response(chunk, start, end);
      this.downstream.sendData(bytes, 0, bytes.length);
    }
    if (this.downstream.blocked) this.stream?.pauseResponse();
  }

  onUpstreamTrailers(trailers: Head): void {
    this.responseTrailers = trailers;
    this.trailersGrpcStatus = readGrpcStatus(trailers);
    if (this.trailersGrpcStatus >= 0) this.grpcStatus = this.trailersGrpcStatus;
  }

  onUpstreamEnd(): void {
    this.stream = null;
    this.sendResponseEnd(this.responseTrailers);
    this.endTry('completed');
    this.finish('completed', '');
  }

  onUpstreamFailure(code: TerminationCode, detail: string): void {
    this.stream = null;
    this.endTry(code);
    if (this.responseBegun) {
      this.breakOff(code, detail);
      return;
    }
    if (!this.retry(code, 0, -1, false, '', '')) this.reply(code, detail);
  }

  onUpstreamDrained(): void {
    this.downstream.resumeRequest();
  }

  onUpstreamTunnelBytes(chunk: Buffer, start: number, end: number): void {
    this.lastMovedMs = this.engine.nowMs;
    this.responseBytes += end - start;
    this.downstream.sendTunnelBytes(chunk, start, end);
    if (this.downstream.blocked) this.stream?.pauseResponse();
  }

  onUpstreamTunnelEnd(): void {
    if (this.state !== State.Tunnel) return;
    this.downstream.endTunnel();
  }

  private takeRequestData(chunk: Buffer, start: number, end: number): void {
    if (this.mirrors !== null) for (const mirror of this.mirrors) mirror.data(chunk, start, end);
    const { stream, kept } = this;
    const sending = stream !== null && (this.state === State.Sent || this.state === State.Responding);
    if (!sending) {
      kept.keep(chunk, start, end);
      this.downstream.pauseRequest();
      return;
    }
    if (kept.whole) kept.keepUpTo(this.decision.rule!.retries.bodyLimitBytes, chunk, start, end);
    stream.sendData(chunk, start, end);
    if (stream.blocked) this.downstream.pauseRequest();
  }

  /** The deadline a caller has set, and whether it speaks gRPC-Web to a service that does not. */
  private admitGrpc(backend: BackendState): void {
    const { protocol } = backend.policy;
    const native = protocol !== 'Grpc' && protocol !== 'Http2' && !this.decision.rule!.grpc;
    this.call.admit(this.head, this.startMs, !native && this.ingress.kind !== 'inbound');
    this.requestDeadlineMs = Math.min(this.requestDeadlineMs, this.call.deadlineMs);
  }

  /** Bytes that came while the destination was asked for are as the caller sent them. */
  private translateKept(): boolean {
    const bytes = this.call.translate(this.kept.peek());
    this.kept.clear();
    if (bytes !== undefined) this.kept.keep(bytes, 0, bytes.length);
    return bytes !== undefined && (!this.requestWhole || this.call.web!.requestWhole);
  }

  private mirrorKept(mirrors: readonly MirrorRequest[]): void {
    const held = this.kept.peek();
    for (const mirror of mirrors) {
      if (held.length > 0) mirror.data(held, 0, held.length);
      if (this.requestWhole) mirror.end();
    }
  }

  private markResponse(head: Head, cors: CorsRule | null): void {
    const { responseFacts } = this;
    const { kind, web } = this.call;
    if (kind !== GrpcKind.None && head.status === 200) this.grpcStatus = readGrpcStatus(head);
    const contentType = web === null ? undefined : web.open(head, responseFacts);
    // Callers outside the mesh are told the status only.
    const refused = this.ingress.kind === 'gateway' ? '' : this.peerRefused;
    if (contentType !== undefined || cors !== null || refused !== '') {
      responseFacts.slots = fillResponseSlots(this.head, contentType, cors, refused);
    }
  }

  /** The response is whole: what stands in its trailers is sent as the caller reads it. */
  private sendResponseEnd(trailers: Head | null): void {
    const { web } = this.call;
    if (web === null || !web.translating) {
      this.downstream.sendEnd(trailers);
      return;
    }
    const frame = web.end(trailers);
    if (frame.length > 0) this.downstream.sendData(frame, 0, frame.length);
    this.downstream.sendEnd(null);
  }

  /** The response has begun and cannot be finished. A gRPC caller can be told why, where the body needs no length. */
  private breakOff(code: TerminationCode, detail: string): void {
    const tellable = this.call.kind !== GrpcKind.None && this.status === 200 && this.grpcStatus < 0;
    const open = this.responseFacts.framing === Framing.Chunked && code !== 'downstream-write-timeout';
    if (!tellable || !open) this.downstream.cut();
    else {
      const { grpcStatus, text } = terminations[code];
      this.grpcStatus = grpcStatus;
      this.sendResponseEnd(statusTrailers(grpcStatus, encodeGrpcMessage(`weft: ${text}`)));
    }
    this.finish(code, detail);
  }

  /** Decides where the request goes, by the snapshot it was born under. */
  private route(): void {
    const { ingress, head } = this;
    if (head.methodId === MethodId.Connect) {
      this.refuse('method-not-served', 'CONNECT');
      return;
    }
    const routes = ingress.kind === 'gateway' ? this.listenerRoutes() : this.destinationRoutes();
    if (routes === undefined) return;
    const { decision, engine } = this;
    decide(routes, head, engine.random, decision);
    if (decision.kind === 'forward') this.admit(decision.backend!);
    else if (decision.kind === 'reply') {
      engine.recorder.begun(this);
      const reply = decision.reply!;
      this.status = reply.status;
      // The answer to a preflight says all there is to say; a redirect must be readable for the page that follows it.
      const fields = reply.status === 204 ? reply.fields : [...reply.fields, ...this.corsFields()];
      this.downstream.sendReply({ ...reply, fields, contentType: 'text/plain; charset=utf-8' }, false);
      this.finish(decision.code, '');
    } else this.refuse(decision.code, decision.detail);
  }

  private listenerRoutes(): RouteTable | undefined {
    const { ingress, tables, head } = this;
    const port = Number(ingress.listener);
    const listener = tables.listenerFor(port, head.authority);
    if (listener === undefined) this.refuse('no-route', 'no listener has this hostname');
    // RFC 9110 §15.5.20: a browser uses a connection again for any name on its certificate, and tries a new one when told so.
    else if (ingress.serverName !== '' && tables.listenerFor(port, ingress.serverName) !== listener) {
      this.refuse('misdirected', `the connection is for ${ingress.serverName}`);
    } else return listener.routes;
    return undefined;
  }

  private destinationRoutes(): RouteTable | undefined {
    const { ingress, tables } = this;
    const key = ingress.kind === 'inbound' ? ingress.destination : this.namedDestination();
    if (key === '') return undefined;
    this.destination = key;
    if (ingress.kind !== 'inbound') this.engine.use(key);
    const destination = tables.destination(key);
    if (destination !== undefined) return destination.routes;
    if (ingress.kind === 'inbound') {
      this.refuse('misdirected', key);
      return undefined;
    }
    this.state = State.Config;
    this.destinationAsked = key;
    this.timer.reschedule(CONFIG_WAIT_MS, this.engine.nowMs);
    // Without a body there is nothing to hold back, and a caller that leaves is heard.
    if (this.head.framing !== Framing.None) this.downstream.pauseRequest();
    this.engine.awaitDestination(key, this);
    return undefined;
  }

  /** What the local application means; empty when the request has been answered, or leaves the mesh. */
  private namedDestination(): DestinationKey | '' {
    const { ingress, tables, head } = this;
    if (ingress.kind === 'captured') return ingress.destination;
    const named = head.authority;
    // A browser's page speaks to us in origin form under a name of its own choice (DNS rebinding), and says where it is from.
    if (head.targetForm === TargetForm.Origin && head.field(FieldId.Origin) >= 0 && !isSameOrigin(head)) {
      this.refuse('cross-site-origin', head.value(head.field(FieldId.Origin)));
      return '';
    }
    if (named === this.lastAuthority && tables.names === this.lastNames) return this.lastKey;
    const authority = readAuthority(named);
    if (authority === undefined && ingress.kind === 'explicit') {
      this.refuse('unknown-host', 'the request names no host');
      return '';
    }
    const host = authority?.host ?? 'localhost';
    const port = authority === undefined || authority.port < 0 ? 80 : authority.port;
    let key = tables.names.resolve(host, port, this.engine.namespace);
    if (ingress.kind === 'fixed') {
      if (key === '' && !isLoopback(host)) {
        this.refuse('misdirected', host);
        return '';
      }
      key = ingress.destination;
    }
    if (key === '') {
      this.leave(host, port);
      return '';
    }
    this.lastAuthority = named;
    this.lastNames = tables.names;
    this.lastKey = key;
    return key;
  }

  /** For a host that is no service of the mesh. */
  private leave(host: string, port: number): void {
    const { engine, decision } = this;
    // Without its brackets an IPv6 address is a name of one label.
    if (this.tables.names.isMeshName(host.includes(':') ? `[${host}]` : host)) {
      const ports = this.tables.names.portsOf(host, engine.namespace);
      const hint =
        ports.length === 0 ? host : `${host} has no port ${port}, it has ${ports.map((p) => p.port).join(', ')}`;
      this.refuse('unknown-host', hint);
      return;
    }
    const outside = engine.egress(host, port);
    if (typeof outside === 'string') {
      this.refuse(outside, host);
      return;
    }
    this.destination = `outside:${host}:${port}`;
    decision.kind = 'forward';
    decision.rule = outside.rule;
    decision.backend = outside.backend;
    decision.backendIndex = 0;
    decision.choice = outside.rule.backends[0];
    this.admit(outside.backend);
  }

  private admit(backend: BackendState): void {
    const { engine, decision } = this;
    const nowMs = engine.nowMs;
    const refused = backend.admit(nowMs);
    if (refused !== undefined) {
      this.refuse(refused, backend.key);
      return;
    }
    this.backend = backend;
    backend.requestStarted(nowMs);
    const rule = decision.rule!;
    const { timeouts } = rule;
    if (timeouts.requestMs > 0) this.requestDeadlineMs = this.startMs + timeouts.requestMs;
    if (this.call.kind !== GrpcKind.None) this.admitGrpc(backend);
    this.idleMs = timeouts.streamIdleMs;
    this.connectTimeoutMs = timeouts.connectMs;
    this.kept.whole = rule.retries.attempts > 0 && this.head.framing !== Framing.None;
    const idempotent = isIdempotentMethod(this.head.methodId);
    this.freshWithinMs = idempotent ? Number.POSITIVE_INFINITY : FRESH_WITHIN_MS;
    const named = this.call.kind !== GrpcKind.None && rule.retries.grpcStatuses.includes(GRPC_UNAVAILABLE);
    this.mayProbe = rule.retries.attempts > 0 && (idempotent || rule.retries.anyMethod || named);
    prepareRequestHead(this);
    if (this.call.web !== null) this.call.web.prepare(this.head, this.requestFacts, this.slots);
    this.carriage = carriageOf(this.head, this.requestFacts);
    engine.recorder.begun(this);
    if (this.call.web !== null && this.kept.length > 0 && !this.translateKept()) {
      this.reply('malformed-request-body', 'base64');
      return;
    }
    this.mirrors =
      decision.choice!.mirrors.length > 0 ? startMirrors(engine, this, this.requestFacts, this.connectTimeoutMs) : null;
    // A mirror gets what came while the destination was asked for as well.
    if (this.mirrors !== null && (this.kept.length > 0 || this.requestWhole)) this.mirrorKept(this.mirrors);
    this.startTry(nowMs);
  }

  private startTry(nowMs: number): void {
    const { engine, decision } = this;
    const backend = this.backend!;
    const endpoint = backend.pick(nowMs, this.tried.length > 0 ? this.tried : null, this.mayProbe);
    if (endpoint === undefined) {
      this.reply(backend.refusal, backend.key);
      return;
    }
    this.endpoint = endpoint;
    const draw = backend.lastDraw;
    this.score = draw.score;
    this.rival = draw.rival;
    this.rivalScore = draw.rivalScore;
    if (this.attempts === 0) this.firstTryMs = nowMs;
    this.attempts += 1;
    this.headStatus = 0;
    this.headWorked = true;
    this.connectMs = -1;
    this.tlsMs = -1;
    this.sentMs = 0;
    this.upstreamMs = -1;
    this.trailersGrpcStatus = -1;
    this.tryStarted = true;
    this.tryStartMs = nowMs;
    backend.tryStarted(endpoint, nowMs);
    const { backendRequestMs } = decision.rule!.timeouts;
    this.tryDeadlineMs = backendRequestMs > 0 ? nowMs + backendRequestMs : Number.POSITIVE_INFINITY;
    this.state = State.Connecting;
    const pool = engine.pool(backend, endpoint);
    this.pool = pool;
    this.armTimer(nowMs);
    const connection = pool.lease(this, nowMs);
    if (connection !== null) this.onLease(connection);
    else if (this.state === State.Connecting && this.head.framing !== Framing.None && !this.requestWhole) {
      this.downstream.pauseRequest();
    }
  }

  private send(stream: UpstreamStream, nowMs: number): void {
    const { head, decision } = this;
    if (this.call.kind !== GrpcKind.None) {
      const leftMs = Math.min(this.requestDeadlineMs, this.tryDeadlineMs) - nowMs;
      this.call.writeSlots(head, this.slots, leftMs, this.attempts - 1);
    }
    if (!stream.sendHead(this, head, decision.choice!.requestEdits, this.requestFacts)) {
      this.finishTry('malformed-request');
      this.reply('malformed-request', 'head-not-writable');
      return;
    }
    this.state = State.Sent;
    this.sentMs = nowMs;
    this.lastMovedMs = nowMs;
    const { kept } = this;
    if (kept.length > 0) {
      const held = kept.peek();
      stream.sendData(held, 0, held.length);
      if (!kept.whole) kept.clear();
    }
    if (head.framing === Framing.None) {
      // Known before the codec says so: the upstream then reads one message in one piece.
      this.requestWhole = true;
      stream.sendEnd(null);
    } else if (this.requestWhole) stream.sendEnd(this.requestTrailers);
    else if (!stream.blocked) this.downstream.resumeRequest();
  }

  private mayRetryHead(status: number): boolean {
    if (status >= 502 && status <= 504) return true;
    return status < 1000 && this.decision.rule!.retryStatuses[status] === 1;
  }

  /** Judges a response head that says failure. True when another try is under way and the response is thrown away. */
  private retryHead(head: Head, grpcStatus: number, refused: TerminationCode | ''): boolean {
    const retryAfterIndex = head.field(FieldId.RetryAfter);
    const retryAfter = retryAfterIndex < 0 ? '' : head.value(retryAfterIndex);
    const pushback = grpcStatus > 0 ? (head.valueOf('grpc-retry-pushback-ms') ?? '') : '';
    // A peer's own refusal is judged by its row: what never reached the application may be tried elsewhere.
    const byRow = refused !== '' && terminations[refused].retry !== 'never' ? refused : '';
    if (!this.retry(byRow, head.status, grpcStatus, refused !== '' && byRow === '', retryAfter, pushback)) {
      return false;
    }
    this.stream?.discard();
    this.stream = null;
    this.endTry(byRow === '' ? 'gateway-error' : byRow);
    return true;
  }

  /** Plans another try; false when there is to be none. The present one is over, or is ended by the caller. */
  private retry(
    code: TerminationCode | '',
    status: number,
    grpcStatus: number,
    refusedByPeer: boolean,
    retryAfter: string,
    pushback: string,
  ): boolean {
    const { head, engine, decision } = this;
    const backend = this.backend;
    if (backend === null || this.state === State.Idle) return false;
    const nowMs = engine.nowMs;
    const policy = decision.rule!.retries;
    const plan = planRetry(
      policy,
      {
        code,
        status,
        grpcStatus,
        refusedByPeer,
        method: head.method,
        idempotencyKey: head.field(FieldId.IdempotencyKey) >= 0,
        bodyAtHand: head.framing === Framing.None || this.kept.whole || this.requestBytes === 0,
        tries: this.attempts,
        budgetAllows: backend.canRetry(nowMs, policy.budget),
        remainingMs: remainingMs(nowMs, this.requestDeadlineMs),
        retryAfter,
        pushback,
        wallMs: retryAfter === '' ? 0 : engine.clock.wallMs(),
      },
      engine.random,
    );
    if (!plan.retry) {
      if (plan.why === 'budget-spent') this.budgetSpent = true;
      return false;
    }
    backend.retrySpent(nowMs);
    this.retried = true;
    engine.recorder.retried(this, plan.reason);
    if (this.endpoint !== null) {
      this.tried.add(this.endpoint);
      this.noteFailedTry(this.endpoint, code, status, plan.reason, plan.afterMs);
    }
    this.state = State.Backoff;
    this.timer.reschedule(plan.afterMs, nowMs);
    return true;
  }

  /** For explanations; a retry may cost an object. */
  private noteFailedTry(
    endpoint: EndpointState,
    code: TerminationCode | '',
    status: number,
    reason: string,
    backoffMs: number,
  ): void {
    const { connectMs, score, rival, rivalScore, tryStartMs: startedMs } = this;
    const durationMs = this.engine.nowMs - startedMs;
    const facts = { endpoint, startedMs, durationMs, connectMs, status, code };
    (this.failedTries ??= []).push({ ...facts, score, rival, rivalScore, reason, backoffMs });
  }

  /** Passes the response on. */
  private respond(head: Head): void {
    const { downstream, responseFacts } = this;
    this.state = State.Responding;
    this.responseBegun = true;
    this.status = head.status;
    // What was kept serves no other try from here on: a stream may live for hours.
    if (this.kept.whole) this.kept.clear();
    this.kept.whole = false;
    responseFacts.take(head, this.head.methodId, this.head.minorVersion);
    responseFacts.slots = NO_SLOTS;
    const { cors } = this.decision.choice!;
    if (this.call.kind !== GrpcKind.None || cors !== null || this.peerRefused !== '') this.markResponse(head, cors);
    if (!downstream.sendHead(head, this.decision.choice!.responseEdits, responseFacts)) {
      this.finishTry('malformed-response');
      this.responseBegun = false;
      this.reply('malformed-response', 'head-not-writable');
      return;
    }
    if (head.status !== 101) return;
    this.state = State.Tunnel;
    downstream.startTunnel();
  }

  /** Ends a request that got no further than a decision. */
  private refuse(code: TerminationCode, detail: string): void {
    this.engine.recorder.begun(this);
    this.reply(code, detail);
  }

  /** Marks of a reply of our own for the page that asked. */
  private corsFields(): LocalReply['fields'] {
    const { rule, choice } = this.decision;
    const cors = rule === undefined ? null : (choice?.cors ?? rule.cors);
    if (cors === null) return NO_FIELDS;
    const origin = this.head.field(FieldId.Origin);
    return cors.replyFields(origin < 0 ? '' : this.head.value(origin));
  }

  /** Answers in place of the upstream. */
  private reply(code: TerminationCode, detail: string): void {
    const typeIndex = this.head.field(FieldId.ContentType);
    const contentType = typeIndex < 0 ? '' : this.head.value(typeIndex);
    const reply = refusalReply(code, detail, this.ingress, contentType, this.corsFields());
    this.status = reply.status;
    if (this.call.kind !== GrpcKind.None && reply.status !== 0) this.grpcStatus = terminations[code].grpcStatus;
    if (reply.status === 0) this.downstream.cut();
    else this.downstream.sendReply(reply, terminations[code].connection === 'close');
    this.finish(code, detail);
  }

  /** Ends the present try from this side. */
  private finishTry(code: TerminationCode): void {
    if (this.pool !== null) {
      this.pool.cancel(this);
      this.pool = null;
    }
    if (this.stream !== null) {
      this.stream.cancel();
      this.stream = null;
    }
    this.endTry(code);
  }

  private endTry(code: TerminationCode): void {
    if (!this.tryStarted) return;
    this.tryStarted = false;
    const nowMs = this.engine.nowMs;
    this.backend!.tryEnded(
      this.endpoint!,
      nowMs,
      code,
      nowMs - this.tryStartMs,
      this.headStatus,
      this.trailersGrpcStatus,
      this.headWorked,
    );
  }

  /** The only exit. */
  private finish(code: TerminationCode, detail: string): void {
    const { engine } = this;
    this.timer.cancel();
    if (this.state === State.Config) engine.forgetWaiter(this.destinationAsked, this);
    this.state = State.Idle;
    if (this.tryStarted) this.finishTry(code);
    else if (this.pool !== null) {
      this.pool.cancel(this);
      this.pool = null;
    }
    const nowMs = engine.nowMs;
    if (this.backend !== null) {
      outcome.failed =
        terminations[code].fault === 'server' ||
        (this.status >= 502 && this.status <= 504) ||
        (code === 'completed' && this.grpcStatus === GRPC_UNAVAILABLE);
      outcome.latencyMs = nowMs - this.startMs;
      outcome.attempts = this.attempts;
      this.backend.requestEnded(nowMs, outcome);
    }
    engine.recorder.ended(this, code, detail);
    if (this.kept.length > 0) this.kept.clear();
    this.call.web = null;
    if (this.mirrors !== null) {
      if (!this.requestWhole) for (const mirror of this.mirrors) mirror.giveUp();
      this.mirrors = null;
    }
    this.backend = null;
    this.head = NO_HEAD;
    this.downstream.exchangeOver();
  }

  private armTimer(nowMs: number): void {
    const idleAtMs = this.idleMs > 0 ? this.lastMovedMs + this.idleMs : Number.POSITIVE_INFINITY;
    const dueMs = Math.min(this.requestDeadlineMs, this.tryDeadlineMs, idleAtMs);
    if (dueMs !== Number.POSITIVE_INFINITY) this.timer.reschedule(dueMs - nowMs, nowMs);
  }

  /** Nothing has moved for too long: who was it that all waited for? */
  private stalled(): TerminationCode {
    if (this.state === State.Tunnel) return 'stream-idle-timeout';
    if (this.downstream.blocked) return 'downstream-write-timeout';
    return this.state === State.Sent && !this.requestWhole && !this.stream!.blocked
      ? 'request-body-timeout'
      : 'stream-idle-timeout';
  }

  private onTimer(): void {
    const nowMs = this.engine.tick();
    if (this.state === State.Config) {
      this.engine.forgetWaiter(this.destinationAsked, this);
      this.refuse('no-config', this.destinationAsked);
      return;
    }
    if (this.state === State.Backoff) {
      this.startTry(nowMs);
      return;
    }
    if (this.state === State.Idle) return;
    const idle = this.idleMs > 0 && nowMs - this.lastMovedMs >= this.idleMs;
    // A try's own time-out ends with the response head (Gateway API `backendRequest` is until the response is whole; a
    // response that has begun can't be taken back, so it is cut in either case).
    if (nowMs < Math.min(this.requestDeadlineMs, this.tryDeadlineMs) && !idle) {
      this.armTimer(nowMs);
      return;
    }
    const early = nowMs < Math.min(this.requestDeadlineMs, this.tryDeadlineMs);
    const code = idle && early ? this.stalled() : timeoutCode(this.tryDeadlineMs, this.requestDeadlineMs);
    this.finishTry(code);
    if (this.responseBegun) this.breakOff(code, '');
    else if (code !== 'try-timeout' || !this.retry(code, 0, -1, false, '', '')) this.reply(code, '');
  }
}

// Filled and read within one call of `finish`.
const outcome = { failed: false, latencyMs: 0, attempts: 0 };

const NO_SLOTS: readonly (string | undefined)[] = Object.freeze([]);
const NO_FIELDS: LocalReply['fields'] = Object.freeze([]);

/** Stands for none between requests. */
const NO_HEAD = new Head();

/** The reason in `weft-refused` when it is a row this build knows. */
function readRefused(head: Head): TerminationCode | '' {
  if (head.field(FieldId.WeftOwned) < 0) return '';
  const value = head.valueOf('weft-refused');
  return value !== undefined && Object.hasOwn(terminations, value) ? (value as TerminationCode) : '';
}

/** RFC 6454 §7: the origin is the very place the request is for. */
function isSameOrigin(head: Head): boolean {
  return head.value(head.field(FieldId.Origin)).toLowerCase() === `http://${head.authority}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
