import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { TriedEndpoints } from '@weft/balance';
import type { EndpointState } from '@weft/balance';
import { RouteDecision, decide } from '@weft/decision';
import type { BackendState, RouteTable, Tables } from '@weft/decision';
import { ByteQueue } from '@weft/kernel';
import type { Timer } from '@weft/kernel';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { planRetry } from '@weft/resilience';
import { ClientHelloReader, sniffFirstBytes, sniffServerBytes, writeProxyHeader } from '@weft/sniff';
import type { FirstBytes } from '@weft/sniff';
import type { DestinationWaiter, Engine } from '../exchange/engine.ts';
import type { OutsideTarget } from '../exchange/egress.ts';
import type { Ingress } from '../exchange/ingress.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { Dial } from '../transport/dial.ts';
import type { DialObserver } from '../transport/dial.ts';
import { OpenReplyReader, openReply, refusalReplyBytes } from './open-reply.ts';
import { RelayPipe, isWholeRecord } from './relay-pipe.ts';
import { readsRequests, readsServerName } from './server-name-routes.ts';
import type { TcpFacts } from './tcp-facts.ts';

/** A connection for a destination that is not held waits so long for the control plane. */
const CONFIG_WAIT_MS = 1_000;

/** A TLS client has its ClientHello ready when it connects. */
const CLIENT_HELLO_MS = 5_000;

/** A connection past its lifetime ends when nothing has moved for so long: what is under way is never cut. */
const QUIET_MS = 5_000;

/** A refusal is to arrive before the connection goes. */
const LINGER_MS = 1_000;

/** Bytes of a caller that wait for its endpoint; a caller that sends more is held back by TCP. */
const HELD_BYTES = 65_536;

/**
 *   Hello -> Config -> Connecting -> Reply -> Open -> Over
 *                        |    ^       |
 *                        `-> Backoff <'
 *
 * Hello: the ClientHello is read for its server name. Reply: the peer sidecar says whether the application accepted.
 */
const State = { New: 0, Hello: 1, Config: 2, Connecting: 3, Backoff: 4, Reply: 5, Open: 6, Over: 7 } as const;

export interface SessionHome {
  readonly engine: Engine;
  /** `counted`: false for one that lost its race before it had touched the caller. */
  sessionEnded(session: TcpSession, code: TerminationCode, detail: string, counted: boolean): void;
}

/** How a session begins. */
export interface SessionStart {
  readonly encrypted: boolean;
  /** The caller is a sidecar that waits to hear whether the application accepted (`open-reply.ts`). */
  readonly announces: boolean;
  /** Null when the caller is attached at once. */
  readonly race: SessionRace | null;
  /** The way out of the mesh to where the caller was going; null when the destination is one of the mesh. */
  readonly way: OutsideTarget | null;
}

/** Of a caller that has not spoken yet: it is attached once it is known that its connection is opaque. */
export interface SessionRace {
  /** The endpoint has spoken: attach the caller. */
  serverFirst(): void;
  /** The session is over without having touched the caller. */
  over(): void;
}

/**
 * One TCP connection of an application: routed against one snapshot, connected to one endpoint, then bytes both ways, each
 * direction ended by itself. Nothing of the caller is sent before an endpoint has accepted, so until then another endpoint
 * may be tried.
 */
export class TcpSession implements PipeOwner, DialObserver, DestinationWaiter, TcpFacts {
  readonly ingress: Ingress;
  readonly decision: RouteDecision;
  tables: Tables;
  destination: string;
  serverName: string;
  receivedBytes: number;
  sentBytes: number;
  connectMs: number;
  attempts: number;
  retried: boolean;
  endpoint: EndpointState | null;
  /** When a byte last moved, either way. */
  lastMovedMs: number;
  readonly startMs: number;
  /** Of the connection to the endpoint; null before and after. */
  upstreamSocket: Socket | null;
  private readonly home: SessionHome;
  private readonly socket: Socket;
  private readonly start: SessionStart;
  private readonly timer: Timer;
  private readonly tried: TriedEndpoints;
  private state: number;
  private downstream: RelayPipe | null;
  private upstream: RelayPipe | null;
  private upstreamEnd: UpstreamEnd | null;
  private dial: Dial | null;
  private backend: BackendState | null;
  private reply: OpenReplyReader | null;
  private hello: ClientHelloReader | null;
  private held: ByteQueue | null;
  private serverHeld: ByteQueue | null;
  private tryStarted: boolean;
  private tryStartMs: number;
  /** The endpoint has shown that it works: its first byte has come. */
  private proven: boolean;
  private attached: boolean;
  /** What the caller's first bytes are, of what arrives; it tells whether there is something to learn. */
  private spoken: FirstBytes;
  private idleMs: number;
  private lifetimeMs: number;
  private maxPerEndpoint: number;
  private namesCaller: boolean;
  private countedReceived: number;
  private countedSent: number;

  constructor(home: SessionHome, socket: Socket, ingress: Ingress, start: SessionStart) {
    const { engine } = home;
    this.home = home;
    this.socket = socket;
    this.ingress = ingress;
    this.start = start;
    this.decision = new RouteDecision();
    this.tables = ingress.kind === 'inbound' ? engine.localTables : engine.tables;
    this.destination = '';
    this.serverName = '';
    this.receivedBytes = 0;
    this.sentBytes = 0;
    this.connectMs = -1;
    this.attempts = 0;
    this.retried = false;
    this.endpoint = null;
    this.startMs = engine.nowMs;
    this.lastMovedMs = engine.nowMs;
    this.upstreamSocket = null;
    this.timer = engine.wheel.create(() => this.onTimer());
    this.tried = new TriedEndpoints();
    this.state = State.New;
    this.downstream = null;
    this.upstream = null;
    this.upstreamEnd = null;
    this.dial = null;
    this.backend = null;
    this.reply = null;
    this.hello = null;
    this.held = null;
    this.serverHeld = null;
    this.tryStarted = false;
    this.tryStartMs = 0;
    this.proven = false;
    this.attached = false;
    this.spoken = 'need-more';
    this.idleMs = 0;
    this.lifetimeMs = 0;
    this.maxPerEndpoint = 0;
    this.namesCaller = false;
    this.countedReceived = 0;
    this.countedSent = 0;
  }

  get durationMs(): number {
    return this.home.engine.nowMs - this.startMs;
  }

  get open(): boolean {
    return this.state !== State.Over;
  }

  /** Bytes that wait to be sent, either way. */
  get bufferedBytes(): number {
    return (
      (this.downstream?.pendingBytes ?? 0) +
      (this.upstream?.pendingBytes ?? 0) +
      (this.held?.length ?? 0) +
      (this.serverHeld?.length ?? 0)
    );
  }

  /** Routes and dials. In a race the caller stays where it is until `attach`. */
  begin(): void {
    if (this.start.race === null) this.attach();
    if (this.open) this.route();
  }

  /** Takes the caller's bytes from here; what was read of it before has been put back into the socket. */
  attach(): void {
    this.attached = true;
    if (this.start.race !== null && this.backend !== null) this.home.engine.tcp.recorder.begun(this);
    this.downstream = new RelayPipe(this.socket, this.start.encrypted, this);
    this.downstream.start();
    const { serverHeld } = this;
    if (serverHeld === null) return;
    this.serverHeld = null;
    const bytes = serverHeld.peek();
    this.toCaller(bytes, 0, bytes.length);
    if (!this.downstream.blocked) this.upstream?.resume();
    if (this.upstream?.readEnded === true) this.downstream.end();
  }

  /** The caller turned out to speak something else before it was attached: nothing was sent, nobody is told. */
  abandon(): void {
    this.finish('completed', 'speaks-http', false);
  }

  /** Ends it now, both ways, with a reset. */
  abort(code: TerminationCode, detail: string): void {
    this.finish(code, detail, true);
  }

  /** Called once a second: limits of time, and what has moved since. */
  sweep(nowMs: number): void {
    this.count();
    if (this.state !== State.Open) return;
    const quietMs = nowMs - this.lastMovedMs;
    if (this.idleMs > 0 && quietMs >= this.idleMs) this.finish('stream-idle-timeout', '', true);
    else if (this.lifetimeMs > 0 && nowMs - this.startMs >= this.lifetimeMs && quietMs >= QUIET_MS) {
      this.finish('connection-lifetime', '', false);
    }
  }

  // The caller's side.

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    const { engine } = this.home;
    this.lastMovedMs = engine.tick();
    if (this.receivedBytes === 0 && this.ingress.kind === 'inbound') this.spoken = sniffFirstBytes(chunk, start, end);
    this.receivedBytes += end - start;
    if (this.state === State.Open) {
      const upstream = this.upstream!;
      upstream.send(chunk, start, end, isWholeRecord(this.downstream!, end - start));
      if (upstream.blocked) this.downstream!.pause();
      return;
    }
    if (this.state === State.Over) return;
    this.held ??= new ByteQueue();
    this.held.push(chunk, start, end);
    if (this.hello !== null) this.readHello(chunk, start, end);
    else if (this.held.length >= HELD_BYTES) this.downstream!.pause();
  }

  onPipeEnd(): void {
    this.home.engine.tick();
    if (this.state === State.Open) this.upstream!.end();
    else if (this.hello !== null) this.finish('downstream-reset', 'closed-before-hello', true);
    // A caller that has ended its side before it said anything, and to whom nobody has spoken, has left.
    else if (this.state !== State.Over && this.held === null) this.finish('downstream-reset', 'closed', true);
  }

  onPipeDrained(): void {
    if (this.state === State.Open) this.upstream!.resume();
  }

  onPipeClose(error: string): void {
    this.home.engine.tick();
    if (this.state === State.Over) return;
    const { upstream } = this;
    if (error === '' && this.state === State.Open && this.downstream!.readEnded) {
      // Both directions are over on this side: what the endpoint is still to be sent goes out before it ends.
      if (upstream!.closed) this.finish('completed', '', false);
      else upstream!.end();
      return;
    }
    this.finish('downstream-reset', error === '' ? 'closed' : error, true);
  }

  // The endpoint's side.

  onDialed(socket: Socket): void {
    const { engine } = this.home;
    engine.tick();
    this.dial = null;
    const { mesh } = this.endpoint!.endpoint;
    if (!mesh && engine.tcp.isOwnAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0)) {
      socket.destroy();
      this.tryFailed('loop-detected', 'the endpoint is this proxy');
      return;
    }
    this.upstreamSocket = socket;
    const end = new UpstreamEnd(this);
    const upstream = new RelayPipe(socket, mesh, end);
    this.upstreamEnd = end;
    this.upstream = upstream;
    if (mesh) {
      this.state = State.Reply;
      this.reply = new OpenReplyReader();
      const leftMs = this.decision.rule!.timeouts.connectMs - (engine.nowMs - this.tryStartMs);
      if (this.decision.rule!.timeouts.connectMs > 0) this.timer.reschedule(Math.max(1, leftMs), engine.nowMs);
      upstream.start();
      return;
    }
    upstream.start();
    this.opened();
  }

  onDialFailed(code: TerminationCode, detail: string): void {
    this.home.engine.tick();
    this.dial = null;
    this.tryFailed(code, detail);
  }

  onUpstreamBytes(chunk: Buffer, start: number, end: number): void {
    const { engine } = this.home;
    this.lastMovedMs = engine.tick();
    let from = start;
    if (this.state === State.Reply) {
      const reply = this.reply!;
      const { verdict, taken } = reply.feed(chunk, start, end);
      if (verdict === 'need-more') return;
      if (verdict === 'refused') {
        this.tryFailed(reply.code, reply.detail === '' ? 'refused-by-peer' : reply.detail);
        return;
      }
      this.opened();
      from = taken;
    }
    if (this.state !== State.Open || from === end) return;
    if (!this.proven) {
      this.prove();
      if (this.ingress.kind === 'inbound') this.learn(chunk, from, end);
    }
    if (this.downstream !== null) this.toCaller(chunk, from, end);
    else this.speaksFirst(chunk, from, end);
  }

  onUpstreamEnd(): void {
    this.home.engine.tick();
    if (this.state === State.Reply) this.tryFailed('connect-refused', 'closed-before-open');
    else if (this.state === State.Open) this.downstream?.end();
  }

  onUpstreamDrained(): void {
    if (this.state === State.Open) this.downstream?.resume();
  }

  onUpstreamClose(error: string): void {
    this.home.engine.tick();
    if (this.state === State.Over) return;
    if (this.state === State.Reply) {
      this.tryFailed('connect-refused', error === '' ? 'closed-before-open' : error);
      return;
    }
    if (error === '' && this.upstream!.readEnded && this.downstream !== null) {
      if (this.downstream.closed) this.finish('completed', '', false);
      else this.downstream.end();
      return;
    }
    this.finish('upstream-cut', error === '' ? 'closed' : error, true);
  }

  /** `DestinationWaiter`. */
  onDestination(missing: boolean): void {
    if (this.state !== State.Config) return;
    this.timer.cancel();
    if (missing) {
      this.refuse('unknown-host', this.destination);
      return;
    }
    this.tables = this.home.engine.tables;
    this.state = State.New;
    this.route();
  }

  private route(): void {
    const { ingress, tables, home } = this;
    const { engine } = home;
    if (this.start.way !== null) {
      this.leave(this.start.way);
      return;
    }
    if (ingress.kind === 'gateway') {
      this.routeAtGateway();
      return;
    }
    const key = ingress.destination;
    this.destination = key;
    if (ingress.kind !== 'inbound') engine.use(key);
    const destination = tables.destination(key);
    if (destination !== undefined) {
      this.routeBy(destination.routes);
      return;
    }
    if (ingress.kind === 'inbound') {
      this.refuse('misdirected', key);
      return;
    }
    this.state = State.Config;
    this.timer.reschedule(CONFIG_WAIT_MS, engine.nowMs);
    engine.awaitDestination(key, this);
  }

  private leave({ rule, backend }: OutsideTarget): void {
    const { decision } = this;
    decision.kind = 'forward';
    decision.rule = rule;
    decision.backend = backend;
    decision.backendIndex = 0;
    decision.choice = rule.backends[0];
    this.destination = this.ingress.destination;
    this.admit(backend);
  }

  /** The listener of the port; where several share it the server name decides. */
  private routeAtGateway(): void {
    const { tables, ingress, serverName } = this;
    const port = Number(ingress.listener);
    if (tables.carries(port) === 'Tls' && serverName === '') {
      this.awaitHello();
      return;
    }
    const listener = tables.listenerFor(port, serverName);
    if (listener === undefined) this.refuse('no-route', 'no listener has this server name');
    else this.choose(listener.routes);
  }

  private routeBy(routes: RouteTable): void {
    // A port with routes of requests is never carried as bytes because nobody has spoken, or something else.
    if ((this.ingress.kind === 'fixed' || this.ingress.kind === 'captured') && readsRequests(routes))
      this.refuse('protocol-unknown', 'port-has-request-routes');
    else if (readsServerName(routes) && this.serverName === '') this.awaitHello();
    else this.choose(routes);
  }

  private awaitHello(): void {
    const { engine } = this.home;
    this.state = State.Hello;
    this.hello = new ClientHelloReader();
    this.timer.reschedule(CLIENT_HELLO_MS, engine.nowMs);
    const { held } = this;
    if (held === null || held.length === 0) return;
    const bytes = held.peek();
    this.readHello(bytes, 0, bytes.length);
  }

  private readHello(chunk: Buffer, start: number, end: number): void {
    const reader = this.hello!;
    const verdict = reader.feed(chunk, start, end);
    if (verdict === 'need-more') return;
    this.hello = null;
    this.timer.cancel();
    if (verdict === 'refused') {
      this.refuse('client-hello-expected', reader.fault!);
      return;
    }
    this.serverName = reader.hello!.serverName ?? '-';
    this.state = State.New;
    this.route();
  }

  private choose(routes: RouteTable): void {
    const { decision, serverName } = this;
    const { engine } = this.home;
    view.authority = serverName === '-' ? '' : serverName;
    decide(routes, view, engine.random, decision);
    if (decision.kind === 'forward') this.admit(decision.backend!);
    // A rule that answers by itself is one of HTTP.
    else this.refuse(decision.kind === 'reply' ? 'protocol-unknown' : decision.code, decision.detail);
  }

  private admit(backend: BackendState): void {
    const { engine } = this.home;
    const { nowMs } = engine;
    const refused = backend.admit(nowMs);
    if (refused !== undefined) {
      this.refuse(refused, backend.key);
      return;
    }
    this.backend = backend;
    if (this.destination === '') this.destination = backend.key;
    backend.requestStarted(nowMs);
    if (this.attached) engine.tcp.recorder.begun(this);
    const { maxLifetimeMs, maxPerEndpoint, sendsProxyProtocol } = engine.tcp.connections(backend);
    this.namesCaller = sendsProxyProtocol;
    this.maxPerEndpoint = maxPerEndpoint;
    // What arrives is limited by the caller's own sidecar; a caller without one by its keep-alive.
    const inbound = this.ingress.kind === 'inbound';
    this.idleMs = inbound ? 0 : this.decision.rule!.timeouts.streamIdleMs;
    this.lifetimeMs = inbound ? 0 : maxLifetimeMs;
    this.startTry();
  }

  private startTry(): void {
    const { engine } = this.home;
    const { nowMs } = engine;
    const backend = this.backend!;
    const endpoint = backend.pick(nowMs, this.tried.length > 0 ? this.tried : null, true);
    if (endpoint === undefined) {
      this.refuse(backend.refusal, backend.key);
      return;
    }
    this.endpoint = endpoint;
    this.attempts += 1;
    this.tryStarted = true;
    this.tryStartMs = nowMs;
    backend.tryStarted(endpoint, nowMs);
    this.tellFull(endpoint);
    this.state = State.Connecting;
    const { address, port, identity, mesh } = endpoint.endpoint;
    const tls = mesh ? engine.tcp.dialTcp() : null;
    if (mesh && tls === null) {
      this.tryFailed('tls-failed', 'no-own-identity');
      return;
    }
    const door = engine.tcp.doorOf(backend);
    const target = { address, port, identity: mesh ? identity : '', door };
    this.dial = new Dial(target, tls, engine.wheel, () => engine.nowMs, this.decision.rule!.timeouts.connectMs, this);
  }

  /** The endpoint cannot be reached. Nothing was sent to an application, so another may be tried. */
  private tryFailed(code: TerminationCode, detail: string): void {
    const { engine } = this.home;
    this.timer.cancel();
    this.closeUpstream();
    this.endTry(code);
    const { decision, endpoint, backend } = this;
    const policy = decision.rule!.retries;
    const plan = planRetry(
      policy,
      {
        code,
        status: 0,
        grpcStatus: -1,
        refusedByPeer: false,
        method: '',
        idempotencyKey: false,
        bodyAtHand: true,
        tries: this.attempts,
        budgetAllows: backend!.canRetry(engine.nowMs, policy.budget),
        remainingMs: Number.POSITIVE_INFINITY,
        retryAfter: '',
        pushback: '',
        wallMs: 0,
      },
      engine.random,
    );
    if (!plan.retry) {
      this.refuse(code, detail);
      return;
    }
    backend!.retrySpent(engine.nowMs);
    this.retried = true;
    this.tried.add(endpoint!);
    this.state = State.Backoff;
    this.timer.reschedule(plan.afterMs, engine.nowMs);
  }

  /** An application has accepted. */
  private opened(): void {
    const { engine } = this.home;
    this.timer.cancel();
    this.reply = null;
    this.state = State.Open;
    this.connectMs = engine.nowMs - this.tryStartMs;
    this.lastMovedMs = engine.nowMs;
    const { downstream, held } = this;
    const upstream = this.upstream!;
    if (this.start.announces) downstream!.send(openReply, 0, openReply.length, false);
    if (this.namesCaller) this.nameCaller(upstream);
    if (held !== null) {
      this.held = null;
      const bytes = held.peek();
      upstream.send(bytes, 0, bytes.length, false);
    }
    if (downstream === null) return;
    if (downstream.readEnded) upstream.end();
    else if (!upstream.blocked) downstream.resume();
  }

  /** A PROXY protocol header: the application's first bytes, whatever stands between. */
  private nameCaller(upstream: RelayPipe): void {
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = this.socket;
    const { clientAddress } = this.ingress;
    const source = { address: clientAddress === '' ? remoteAddress : clientAddress, port: remotePort };
    const header = writeProxyHeader(source, { address: localAddress, port: localPort });
    upstream.send(header, 0, header.length, false);
  }

  /** The endpoint has spoken while it was not known yet what the caller speaks. */
  private speaksFirst(chunk: Buffer, start: number, end: number): void {
    const known = this.serverHeld !== null;
    this.serverHeld ??= new ByteQueue();
    this.serverHeld.push(chunk, start, end);
    this.upstream!.pause();
    if (!known) this.start.race!.serverFirst();
  }

  /** The application has shown that it speaks no HTTP. Callers alone cannot bring this about. */
  private learn(chunk: Buffer, start: number, end: number): void {
    const silent = this.receivedBytes === 0;
    if (!silent && (this.spoken === 'http1' || this.spoken === 'http2-preface' || this.spoken === 'need-more')) return;
    if (sniffServerBytes(chunk, start, end) !== 'unknown') return;
    this.home.engine.tcp.learned(Number(this.destination.slice(this.destination.lastIndexOf(':') + 1)));
  }

  private toCaller(chunk: Buffer, start: number, end: number): void {
    const downstream = this.downstream!;
    this.sentBytes += end - start;
    downstream.send(chunk, start, end, isWholeRecord(this.upstream!, end - start));
    if (downstream.blocked) this.upstream!.pause();
  }

  /** The latency that balancing learns from is that of connecting: what follows is as long as the caller likes. */
  private prove(): void {
    this.proven = true;
    this.backend!.tryHead(this.endpoint!, this.home.engine.nowMs, this.connectMs, 200);
  }

  private endTry(code: TerminationCode): void {
    if (!this.tryStarted) return;
    this.tryStarted = false;
    const { nowMs } = this.home.engine;
    const backend = this.backend!;
    const endpoint = this.endpoint!;
    if (this.connectMs < 0) backend.tryEnded(endpoint, nowMs, code, nowMs - this.tryStartMs);
    else {
      if (!this.proven && code !== 'upstream-cut') this.prove();
      // A server may end a connection as it likes; one that takes it and resets it before a word does not work.
      const failed = !this.proven && code === 'upstream-cut';
      if (failed) backend.tryEnded(endpoint, nowMs, 'upstream-reset', nowMs - this.tryStartMs);
      else backend.tryEnded(endpoint, nowMs, code === 'completed' ? 'completed' : 'downstream-reset', 0, 200);
    }
    this.tellFull(endpoint);
  }

  /** The balancer goes past an endpoint that has all the connections it may have. */
  private tellFull(endpoint: EndpointState): void {
    if (this.maxPerEndpoint > 0) endpoint.full = endpoint.inFlight >= this.maxPerEndpoint;
  }

  /** Ends a connection that reached no application. */
  private refuse(code: TerminationCode, detail: string): void {
    const { downstream } = this;
    if (!this.start.announces || downstream === null || downstream.closed) {
      this.finish(code, detail, true);
      return;
    }
    const reply = refusalReplyBytes(code);
    downstream.send(reply, 0, reply.length, false);
    downstream.end();
    this.downstream = null;
    this.home.engine.wheel.schedule(LINGER_MS, () => downstream.destroy());
    this.finish(code, detail, false);
  }

  private closeUpstream(): void {
    this.dial?.cancel();
    this.dial = null;
    const { upstream } = this;
    this.upstream = null;
    this.upstreamSocket = null;
    if (this.upstreamEnd !== null) this.upstreamEnd.session = null;
    this.upstreamEnd = null;
    upstream?.destroy();
  }

  /** The only exit. `cut`: the ends must see that it broke off. */
  private finish(code: TerminationCode, detail: string, cut: boolean): void {
    if (this.state === State.Over) return;
    const { engine } = this.home;
    const { state, downstream, upstream, backend } = this;
    this.state = State.Over;
    this.timer.cancel();
    if (state === State.Config) engine.forgetWaiter(this.destination, this);
    this.dial?.cancel();
    this.dial = null;
    this.endTry(code);
    if (backend !== null) {
      outcome.failed = this.connectMs < 0 && terminations[code].fault === 'server';
      outcome.latencyMs = Math.max(0, this.connectMs);
      outcome.attempts = this.attempts;
      backend.requestEnded(engine.nowMs, outcome);
    }
    if (!this.attached) {
      upstream?.destroy();
      this.home.sessionEnded(this, code, detail, false);
      this.start.race?.over();
      return;
    }
    if (cut) {
      upstream?.reset();
      if (downstream === null) this.socket.destroy();
      else downstream.reset();
    } else {
      upstream?.destroy();
      downstream?.destroy();
    }
    this.count();
    engine.tcp.recorder.ended(this, code, detail);
    this.home.sessionEnded(this, code, detail, true);
  }

  private count(): void {
    const received = this.receivedBytes - this.countedReceived;
    const sent = this.sentBytes - this.countedSent;
    if (received === 0 && sent === 0) return;
    this.countedReceived = this.receivedBytes;
    this.countedSent = this.sentBytes;
    this.home.engine.tcp.recorder.moved(this, received, sent);
  }

  private onTimer(): void {
    const { engine } = this.home;
    engine.tick();
    if (this.state === State.Config) {
      engine.forgetWaiter(this.destination, this);
      this.refuse('no-config', this.destination);
    } else if (this.state === State.Hello) this.refuse('client-hello-expected', 'time-out');
    else if (this.state === State.Reply) this.tryFailed('connect-timeout', 'no-open-reply');
    else if (this.state === State.Backoff) this.startTry();
  }
}

/** One connection to an endpoint: what it says after another has taken its place is not heard. */
class UpstreamEnd implements PipeOwner {
  session: TcpSession | null;

  constructor(session: TcpSession) {
    this.session = session;
  }

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    this.session?.onUpstreamBytes(chunk, start, end);
  }

  onPipeEnd(): void {
    this.session?.onUpstreamEnd();
  }

  onPipeDrained(): void {
    this.session?.onUpstreamDrained();
  }

  onPipeClose(error: string): void {
    this.session?.onUpstreamClose(error);
  }
}

/** What rules of TCP are matched against: a server name and nothing else. Filled and read within one call. */
const view: Parameters<typeof decide>[1] & { authority: string } = {
  method: '',
  path: '/',
  query: '',
  authority: '',
  valueOf: () => undefined,
};

// Filled and read within one call of `finish`.
const outcome = { failed: false, latencyMs: 0, attempts: 0 };
