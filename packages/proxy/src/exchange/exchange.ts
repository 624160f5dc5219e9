import type { Buffer } from 'node:buffer';
import { decide } from '@weft/decision';
import type { BackendState, RouteTable } from '@weft/decision';
import {
  FieldId,
  Framing,
  GrpcKind,
  MethodId,
  encodeGrpcMessage,
  isIdempotentMethod,
  noEdits,
  readAuthority,
} from '@weft/http';
import type { Head } from '@weft/http';
import type { DestinationKey } from '@weft/model';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { timeoutCode } from '@weft/resilience';
import { turnPace } from '../transport/turn-pace.ts';
import type { LeaseWaiter } from '../upstream/connection-pool.ts';
import { carriageOf } from '../upstream/request-carriage.ts';
import type { UpstreamObserver, UpstreamStream } from '../upstream/upstream-stream.ts';
import type { DestinationWaiter } from './engine.ts';
import { nextLimitMs, stalledCode } from './exchange-limits.ts';
import { ExchangeState, NO_HEAD, State } from './exchange-state.ts';
import { isMeshHost } from './named-destination.ts';
import { GRPC_UNAVAILABLE, readGrpcStatus } from './grpc-call.ts';
import { startMirrors } from './mirror-request.ts';
import { NO_TRY, mayRetryStatus, planNextTry } from './next-try.ts';
import { readRefused, refusalReply } from './refusal-reply.ts';
import { prepareRequestHead, startRequestSpan } from './request-head.ts';
import { corsFields, markResponse } from './response-marks.ts';
import { statusTrailers } from './status-trailers.ts';
import { addWebSocketAccept, addWebSocketKey } from './web-socket.ts';

/** A request for a destination that is not held waits so long for the control plane. */
const CONFIG_WAIT_MS = 1_000;

/** A tunnel in which nothing moves, as for other connections that are carried as bytes. */
const TUNNEL_IDLE_MS = 3_600_000;

/**
 * A request that must not be sent twice takes no connection that the peer may be about to close. Below the shortest idle
 * time-out in use (1 s) by as much as a busy machine may be late.
 */
const FRESH_WITHIN_MS = 750;

/**
 * One request from its head to its end: routed against one snapshot, sent to one endpoint at a time, answered once, and
 * finished exactly once. The object lives as long as the stream it serves and is used for one request after the other.
 */
export class Exchange extends ExchangeState implements UpstreamObserver, LeaseWaiter, DestinationWaiter {
  /** The request's head is whole. Everything else follows from here. */
  begin(head: Head): void {
    this.reset(head);
    if (this.engine.tracing !== null) startRequestSpan(this);
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
    this.body.trailers = trailers;
  }

  onRequestEnd(): void {
    if (this.body.whole) return;
    if (this.call.web !== null && !this.call.web.requestWhole) {
      this.refuseRequestBody('malformed-request-body', 'base64');
      return;
    }
    this.body.end();
    if (this.stream !== null && (this.state === State.Sent || this.state === State.Responding)) {
      this.stream.sendEnd(this.body.trailers);
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
    if (mayRetryStatus(this, head.status) || grpcStatus > 0 || refused !== '') {
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
    const { stream, body } = this;
    body.copy(chunk, start, end);
    const sending = stream !== null && (this.state === State.Sent || this.state === State.Responding);
    if (!sending) {
      body.keep(chunk, start, end);
      this.downstream.pauseRequest();
      return;
    }
    if (body.replayable) body.keepUpTo(this.decision.rule!.retries.bodyLimitBytes, chunk, start, end);
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
      this.connect();
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
      const fields = reply.status === 204 ? reply.fields : [...reply.fields, ...corsFields(this)];
      this.downstream.sendReply({ ...reply, fields, contentType: 'text/plain; charset=utf-8' }, false);
      this.finish(decision.code, '');
    } else this.refuse(decision.code, decision.detail);
  }

  /** A tunnel out of the mesh, for the application beside us and nobody else. What is in the mesh is called by its requests. */
  private connect(): void {
    const { ingress, head, tables } = this;
    const authority = ingress.kind === 'explicit' ? readAuthority(head.authority) : undefined;
    if (authority === undefined) {
      this.refuse('method-not-served', 'CONNECT');
      return;
    }
    const { host, port } = authority;
    const meshed = tables.names.resolve(host, port, this.engine.namespace) !== '' || isMeshHost(tables.names, host);
    if (meshed) this.refuse('method-not-served', `CONNECT leads out of the mesh; call ${host} by http://`);
    else this.leave(host, port);
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
    const { ingress, engine, named } = this;
    if (ingress.kind === 'captured') return ingress.destination;
    const key = named.find(ingress, this.tables.names, this.head, engine.namespace);
    if (key !== '') return key;
    if (named.code === '') this.leave(named.host, named.port);
    else this.refuse(named.code, named.detail);
    return '';
  }

  private leave(host: string, port: number): void {
    const { decision } = this;
    const outside = this.engine.egress(host, port);
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
    const refused = backend.admit();
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
    this.idleMs = this.head.methodId === MethodId.Connect ? TUNNEL_IDLE_MS : timeouts.streamIdleMs;
    this.connectTimeoutMs = timeouts.connectMs;
    this.body.replayable = rule.retries.attempts > 0 && this.head.framing !== Framing.None;
    const idempotent = isIdempotentMethod(this.head.methodId);
    this.freshWithinMs = idempotent ? Number.POSITIVE_INFINITY : FRESH_WITHIN_MS;
    const named = this.call.kind !== GrpcKind.None && rule.retries.grpcStatuses.includes(GRPC_UNAVAILABLE);
    this.mayProbe = rule.retries.attempts > 0 && (idempotent || rule.retries.anyMethod || named);
    prepareRequestHead(this);
    if (this.requestFacts.upgrade === 'websocket') addWebSocketKey(this.head);
    if (this.call.web !== null) this.call.web.prepare(this.head, this.requestFacts, this.slots);
    this.carriage = carriageOf(this.head, this.requestFacts, this.call.kind === GrpcKind.None && keepsCase(backend));
    engine.recorder.begun(this);
    if (this.call.web !== null && this.body.length > 0 && !this.body.translate(this.call)) {
      this.reply('malformed-request-body', 'base64');
      return;
    }
    if (decision.choice!.mirrors.length > 0) {
      this.body.mirrorTo(startMirrors(engine, this, this.requestFacts, this.connectTimeoutMs));
    }
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
    const pool = this.head.methodId === MethodId.Connect ? engine.tunnel(endpoint) : engine.pool(backend, endpoint);
    this.pool = pool;
    this.armTimer(nowMs);
    const connection = pool.lease(this, nowMs);
    if (connection !== null) this.onLease(connection);
    else if (this.state === State.Connecting && this.head.framing !== Framing.None && !this.body.whole) {
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
    this.shared = this.downstream.shared && stream.shared;
    this.state = State.Sent;
    this.sentMs = nowMs;
    this.lastMovedMs = nowMs;
    const { body } = this;
    if (body.length > 0) {
      const held = body.peek();
      stream.sendData(held, 0, held.length);
      if (!body.replayable) body.clear();
    }
    if (head.framing === Framing.None) {
      // Known before the codec says so: the upstream then reads one message in one piece.
      body.whole = true;
      stream.sendEnd(null);
    } else if (body.whole) stream.sendEnd(body.trailers);
    else if (!stream.blocked) this.downstream.resumeRequest();
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

  /** False when there is to be no other try. The present one is over, or is ended by the caller. */
  private retry(
    code: TerminationCode | '',
    status: number,
    grpcStatus: number,
    refusedByPeer: boolean,
    retryAfter: string,
    pushback: string,
  ): boolean {
    if (this.state === State.Idle) return false;
    const afterMs = planNextTry(this, code, status, grpcStatus, refusedByPeer, retryAfter, pushback);
    if (afterMs === NO_TRY) return false;
    this.state = State.Backoff;
    this.timer.reschedule(afterMs, this.engine.nowMs);
    return true;
  }

  /** Passes the response on. */
  private respond(head: Head): void {
    const { downstream, responseFacts } = this;
    this.state = State.Responding;
    this.responseBegun = true;
    this.status = head.status;
    // What was kept serves no other try from here on: a stream may live for hours.
    this.body.keepNoMore();
    if (head.status === 101 && head.upgrade === 'websocket') addWebSocketAccept(head, this.head);
    responseFacts.take(head, this.head.methodId, this.head.minorVersion);
    responseFacts.slots = NO_SLOTS;
    const { cors } = this.decision.choice!;
    if (this.call.kind !== GrpcKind.None || cors !== null || this.peerRefused !== '') markResponse(this, head, cors);
    if (!downstream.sendHead(head, this.decision.choice!.responseEdits, responseFacts)) {
      this.finishTry('malformed-response');
      this.responseBegun = false;
      this.reply('malformed-response', 'head-not-writable');
      return;
    }
    if (head.status !== 101 && this.head.methodId !== MethodId.Connect) return;
    this.state = State.Tunnel;
    downstream.startTunnel();
  }

  /** Ends a request that got no further than a decision. */
  private refuse(code: TerminationCode, detail: string): void {
    this.engine.recorder.begun(this);
    this.reply(code, detail);
  }

  /** Answers in place of the upstream. */
  private reply(code: TerminationCode, detail: string): void {
    const typeIndex = this.head.field(FieldId.ContentType);
    const contentType = typeIndex < 0 ? '' : this.head.value(typeIndex);
    const reply = refusalReply(code, detail, this.ingress, contentType, corsFields(this));
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
    turnPace.ended(nowMs, nowMs - this.startMs, this.shared);
    if (this.backend !== null) {
      outcome.failed =
        (this.status >= 502 && this.status <= 504) ||
        (code === 'completed' ? this.grpcStatus === GRPC_UNAVAILABLE : terminations[code].fault === 'server');
      outcome.latencyMs = nowMs - this.startMs;
      outcome.attempts = this.attempts;
      this.backend.requestEnded(nowMs, outcome);
    }
    engine.recorder.ended(this, code, detail);
    this.call.web = null;
    this.body.finish();
    this.backend = null;
    this.head = NO_HEAD;
    this.downstream.exchangeOver();
  }

  private armTimer(nowMs: number): void {
    const dueMs = nextLimitMs(this);
    if (dueMs !== Number.POSITIVE_INFINITY) this.timer.reschedule(dueMs - nowMs, nowMs);
  }

  protected override onTimer(): void {
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
    const code = idle && early ? stalledCode(this) : timeoutCode(this.tryDeadlineMs, this.requestDeadlineMs);
    this.finishTry(code);
    if (this.responseBegun) this.breakOff(code, '');
    else if (code !== 'try-timeout' || !this.retry(code, 0, -1, false, '', '')) this.reply(code, '');
  }
}

/** Only where the application may speak HTTP/1.1 there is a case to be kept. */
function keepsCase({ policy }: BackendState): boolean {
  return policy.connections.keepsFieldNameCase && policy.protocol !== 'Http2' && policy.protocol !== 'Grpc';
}

// Filled and read within one call of `finish`.
const outcome = { failed: false, latencyMs: 0, attempts: 0 };

/** Not frozen: V8 inlines no access to the elements of a frozen array, nor where one was ever seen. */
const NO_SLOTS: readonly (string | undefined)[] = [];
