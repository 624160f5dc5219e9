import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { EndpointState } from '@weft/balance';
import type { BackendState } from '@weft/decision';
import type { ByteQueue } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import { sniffFirstBytes, sniffServerBytes, writeProxyHeader } from '@weft/sniff';
import type { FirstBytes } from '@weft/sniff';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { openReply, refusalReplyBytes } from './open-reply.ts';
import { RelayPipe } from './relay-pipe.ts';
import type { SessionStart } from './session-start.ts';
import { TcpAccount } from './tcp-account.ts';
import { TcpRelay } from './tcp-relay.ts';
import { TcpRouting } from './tcp-routing.ts';
import type { RoutingOwner } from './tcp-routing.ts';
import { TcpTries } from './tcp-tries.ts';
import type { TriesOwner } from './tcp-tries.ts';

/** A connection past its lifetime ends when nothing has moved for so long: what is under way is never cut. */
const QUIET_MS = 5_000;

/** A refusal is to arrive before the connection goes. */
const LINGER_MS = 1_000;

export interface SessionHome {
  readonly engine: Engine;
  /** `counted`: false for one that lost its race before it had touched the caller. */
  sessionEnded(session: TcpSession, code: TerminationCode, detail: string, counted: boolean): void;
}

/**
 * One TCP connection of an application, from birth to end: routed against one snapshot (`TcpRouting`), connected to one
 * endpoint (`TcpTries`), then bytes both ways (`TcpRelay`).
 *
 *   routing --> trying --> open --> over
 */
export class TcpSession implements PipeOwner, RoutingOwner, TriesOwner {
  readonly ingress: Ingress;
  private readonly home: SessionHome;
  private readonly socket: Socket;
  private readonly start: SessionStart;
  private readonly routing: TcpRouting;
  private readonly tries: TcpTries;
  private readonly relay: TcpRelay;
  private readonly account: TcpAccount;
  private over: boolean;
  private attached: boolean;
  /** The endpoint has said something. */
  private answered: boolean;
  /** What the caller's first bytes are, of what arrives; null before them. It tells whether there is something to learn. */
  private spoken: FirstBytes | null;
  /** When a byte last moved, either way. */
  private lastMovedMs: number;
  private idleMs: number;
  private lifetimeMs: number;
  private namesCaller: boolean;

  constructor(home: SessionHome, socket: Socket, ingress: Ingress, start: SessionStart) {
    const { engine } = home;
    this.ingress = ingress;
    this.home = home;
    this.socket = socket;
    this.start = start;
    const routing = new TcpRouting(engine, ingress, this);
    const tries = new TcpTries(engine, this);
    const relay = new TcpRelay();
    this.routing = routing;
    this.tries = tries;
    this.relay = relay;
    this.account = new TcpAccount(engine, ingress, { routing, tries, relay });
    this.over = false;
    this.attached = false;
    this.answered = false;
    this.spoken = null;
    this.lastMovedMs = engine.nowMs;
    this.idleMs = 0;
    this.lifetimeMs = 0;
    this.namesCaller = false;
  }

  get endpoint(): EndpointState | null {
    return this.tries.endpoint;
  }

  /** Of the connection to the endpoint; null before and after. */
  get upstreamSocket(): Socket | null {
    return this.tries.socket;
  }

  get open(): boolean {
    return !this.over;
  }

  /** Bytes that wait to be sent, either way. */
  get bufferedBytes(): number {
    return this.relay.bufferedBytes;
  }

  /** Routes and dials. In a race the caller stays where it is until `attach`. */
  begin(): void {
    if (this.start.race === null) this.attach();
    if (this.open) this.routing.begin(this.start.way);
  }

  /** Takes the caller's bytes from here; what was read of it before has been put back into the socket. */
  attach(): void {
    this.attached = true;
    if (this.start.race !== null && this.tries.backend !== null) this.account.begin();
    this.relay.attach(new RelayPipe(this.socket, this.start.encrypted, this));
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
    this.account.count();
    if (this.relay.endpoint === null) return;
    const quietMs = nowMs - this.lastMovedMs;
    if (this.idleMs > 0 && quietMs >= this.idleMs) this.finish('stream-idle-timeout', '', true);
    else if (this.lifetimeMs > 0 && this.account.durationMs >= this.lifetimeMs && quietMs >= QUIET_MS) {
      this.finish('connection-lifetime', '', false);
    }
  }

  // Its route.

  get said(): ByteQueue | null {
    return this.relay.said;
  }

  onRouted(backend: BackendState): void {
    const { engine } = this.home;
    const refused = this.tries.admit(backend);
    if (refused !== undefined) {
      this.refuse(refused, backend.key);
      return;
    }
    if (this.attached) this.account.begin();
    const rule = this.routing.decision.rule!;
    const { maxLifetimeMs, maxPerEndpoint, sendsProxyProtocol } = engine.tcp.connections(backend);
    this.namesCaller = sendsProxyProtocol;
    // What arrives is limited by the caller's own sidecar; a caller without one by its keep-alive.
    const inbound = this.ingress.kind === 'inbound';
    this.idleMs = inbound ? 0 : rule.timeouts.streamIdleMs;
    this.lifetimeMs = inbound ? 0 : maxLifetimeMs;
    this.tries.start(rule, maxPerEndpoint);
  }

  onUnroutable(code: TerminationCode, detail: string): void {
    this.refuse(code, detail);
  }

  // The caller's side.

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    this.lastMovedMs = this.home.engine.tick();
    if (this.over) return;
    if (this.spoken === null && this.ingress.kind === 'inbound') this.spoken = sniffFirstBytes(chunk, start, end);
    const { relay, routing } = this;
    relay.fromCaller(chunk, start, end);
    if (relay.endpoint !== null) return;
    if (routing.readsHello) routing.feed(chunk, start, end);
    else relay.holdBack();
  }

  onPipeEnd(): void {
    this.home.engine.tick();
    if (this.over) return;
    const { endpoint, said } = this.relay;
    if (endpoint !== null) endpoint.end();
    else if (this.routing.readsHello) this.finish('downstream-reset', 'closed-before-hello', true);
    // A caller that has ended its side before it said anything, and to whom nobody has spoken, has left.
    else if (said === null) this.finish('downstream-reset', 'closed', true);
  }

  onPipeDrained(): void {
    if (!this.over) this.relay.endpoint?.resume();
  }

  onPipeClose(error: string): void {
    this.home.engine.tick();
    if (this.over) return;
    const { caller, endpoint } = this.relay;
    if (error === '' && endpoint !== null && caller!.readEnded) {
      // Both directions are over on this side: what the endpoint is still to be sent goes out before it ends.
      if (endpoint.closed) this.finish('completed', '', false);
      else endpoint.end();
      return;
    }
    this.finish('downstream-reset', error === '' ? 'closed' : error, true);
  }

  // The endpoint's side.

  onOpened(pipe: RelayPipe): void {
    this.lastMovedMs = this.home.engine.nowMs;
    if (this.start.announces) this.relay.caller!.send(openReply, 0, openReply.length, false);
    this.relay.join(pipe, this.namesCaller ? this.proxyHeader() : null);
  }

  onGivenUp(code: TerminationCode, detail: string): void {
    this.refuse(code, detail);
  }

  onUpstreamBytes(chunk: Buffer, start: number, end: number): void {
    this.lastMovedMs = this.home.engine.tick();
    if (!this.answered) {
      this.answered = true;
      this.tries.prove();
      if (this.ingress.kind === 'inbound') this.learn(chunk, start, end);
    }
    if (this.relay.fromEndpoint(chunk, start, end)) this.start.race!.serverFirst();
  }

  onUpstreamEnd(): void {
    this.relay.caller?.end();
  }

  onUpstreamDrained(): void {
    this.relay.caller?.resume();
  }

  onUpstreamClose(error: string): void {
    const { caller, endpoint } = this.relay;
    if (error === '' && endpoint!.readEnded && caller !== null) {
      if (caller.closed) this.finish('completed', '', false);
      else caller.end();
      return;
    }
    this.finish('upstream-cut', error === '' ? 'closed' : error, true);
  }

  /** A PROXY protocol header: the application's first bytes, whatever stands between. */
  private proxyHeader(): Buffer {
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = this.socket;
    const { clientAddress } = this.ingress;
    const source = { address: clientAddress === '' ? remoteAddress : clientAddress, port: remotePort };
    return writeProxyHeader(source, { address: localAddress, port: localPort });
  }

  /** Whether the application has shown that it speaks no HTTP. Callers alone cannot bring this about. */
  private learn(chunk: Buffer, start: number, end: number): void {
    const { spoken } = this;
    const { destination } = this.routing;
    if (spoken === 'http1' || spoken === 'http2-preface' || spoken === 'need-more') return;
    if (sniffServerBytes(chunk, start, end) !== 'unknown') return;
    this.home.engine.tcp.learned(Number(destination.slice(destination.lastIndexOf(':') + 1)));
  }

  /** Ends a connection that reached no application. */
  private refuse(code: TerminationCode, detail: string): void {
    const { caller } = this.relay;
    if (!this.start.announces || caller === null || caller.closed) {
      this.finish(code, detail, true);
      return;
    }
    const reply = refusalReplyBytes(code);
    caller.send(reply, 0, reply.length, false);
    caller.end();
    this.relay.caller = null;
    this.home.engine.wheel.schedule(LINGER_MS, () => caller.destroy());
    this.finish(code, detail, false);
  }

  /** The only exit. `cut`: the ends must see that it broke off. */
  private finish(code: TerminationCode, detail: string, cut: boolean): void {
    if (this.over) return;
    this.over = true;
    this.routing.cancel();
    this.tries.finish(code, cut && this.attached);
    if (!this.attached) {
      this.home.sessionEnded(this, code, detail, false);
      this.start.race?.over();
      return;
    }
    if (cut) this.relay.caller?.reset();
    else this.relay.caller?.destroy();
    this.account.end(code, detail);
    this.home.sessionEnded(this, code, detail, true);
  }
}
