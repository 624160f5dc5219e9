import type { Buffer } from 'node:buffer';
import { RouteDecision, decide } from '@weft/decision';
import type { BackendState, RouteTable, Tables } from '@weft/decision';
import type { ByteQueue, Timer } from '@weft/kernel';
import type { DestinationKey } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import { ClientHelloReader } from '@weft/sniff';
import type { OutsideTarget } from '../exchange/egress.ts';
import type { DestinationWaiter, Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import { readsRequests, readsServerName } from './server-name-routes.ts';

/** A connection for a destination that is not held waits so long for the control plane. */
const CONFIG_WAIT_MS = 1_000;

/** A TLS client has its ClientHello ready when it connects. */
const CLIENT_HELLO_MS = 5_000;

/** What a routing waits for. */
const Awaited = { Nothing: 0, Destination: 1, Hello: 2 } as const;

/** Hears where a connection goes: one of the two, once, perhaps before `begin` has returned. */
export interface RoutingOwner {
  onRouted(backend: BackendState): void;
  onUnroutable(code: TerminationCode, detail: string): void;
  /** All that the caller has said; null before its first byte. */
  readonly said: ByteQueue | null;
}

/**
 * Where one TCP connection goes, by one snapshot: to what its listener stands for, or what the server name in its
 * ClientHello chooses. A destination that is not held is asked for first.
 */
export class TcpRouting implements DestinationWaiter {
  readonly decision: RouteDecision;
  tables: Tables;
  /** Empty until it is known. */
  destination: DestinationKey;
  /** Of the ClientHello: empty until it was read, `-` when it names none. */
  serverName: string;
  private readonly engine: Engine;
  private readonly ingress: Ingress;
  private readonly owner: RoutingOwner;
  private readonly timer: Timer;
  private awaited: number;
  private hello: ClientHelloReader | null;

  constructor(engine: Engine, ingress: Ingress, owner: RoutingOwner) {
    this.decision = new RouteDecision();
    this.tables = ingress.kind === 'inbound' ? engine.localTables : engine.tables;
    this.destination = '';
    this.serverName = '';
    this.engine = engine;
    this.ingress = ingress;
    this.owner = owner;
    this.timer = engine.wheel.create(() => this.expire());
    this.awaited = Awaited.Nothing;
    this.hello = null;
  }

  /** The ClientHello is still being read: what the caller says is for `feed` as well. */
  get readsHello(): boolean {
    return this.hello !== null;
  }

  /** `way`: out of the mesh to where the caller was going; null when the destination is one of the mesh. */
  begin(way: OutsideTarget | null): void {
    if (way === null) this.route();
    else this.leave(way);
  }

  /** What the caller has just said, while `readsHello`. */
  feed(chunk: Buffer, start: number, end: number): void {
    const reader = this.hello!;
    const verdict = reader.feed(chunk, start, end);
    if (verdict === 'need-more') return;
    this.hello = null;
    this.stopWaiting();
    if (verdict === 'refused') {
      this.owner.onUnroutable('client-hello-expected', reader.fault!);
      return;
    }
    this.serverName = reader.hello!.serverName ?? '-';
    this.route();
  }

  /** `DestinationWaiter`. */
  onDestination(missing: boolean): void {
    if (this.awaited !== Awaited.Destination) return;
    this.stopWaiting();
    if (missing) {
      this.owner.onUnroutable('unknown-host', this.destination);
      return;
    }
    this.tables = this.engine.tables;
    this.route();
  }

  /** The connection is over; the owner hears nothing more. */
  cancel(): void {
    if (this.awaited === Awaited.Destination) this.engine.forgetWaiter(this.destination, this);
    this.stopWaiting();
  }

  private route(): void {
    const { ingress, tables, engine } = this;
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
      this.owner.onUnroutable('misdirected', key);
      return;
    }
    this.awaited = Awaited.Destination;
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
    this.owner.onRouted(backend);
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
    if (listener === undefined) this.owner.onUnroutable('no-route', 'no listener has this server name');
    else this.choose(listener.routes);
  }

  private routeBy(routes: RouteTable): void {
    // A port with routes of requests is never carried as bytes because nobody has spoken, or something else.
    if ((this.ingress.kind === 'fixed' || this.ingress.kind === 'captured') && readsRequests(routes))
      this.owner.onUnroutable('protocol-unknown', 'port-has-request-routes');
    else if (readsServerName(routes) && this.serverName === '') this.awaitHello();
    else this.choose(routes);
  }

  private awaitHello(): void {
    this.awaited = Awaited.Hello;
    this.hello = new ClientHelloReader();
    this.timer.reschedule(CLIENT_HELLO_MS, this.engine.nowMs);
    const { said } = this.owner;
    if (said === null || said.length === 0) return;
    const bytes = said.peek();
    this.feed(bytes, 0, bytes.length);
  }

  private choose(routes: RouteTable): void {
    const { decision, serverName } = this;
    view.authority = serverName === '-' ? '' : serverName;
    decide(routes, view, this.engine.random, decision);
    if (decision.kind === 'forward') this.owner.onRouted(decision.backend!);
    // A rule that answers by itself is one of HTTP.
    else this.owner.onUnroutable(decision.kind === 'reply' ? 'protocol-unknown' : decision.code, decision.detail);
  }

  private stopWaiting(): void {
    this.awaited = Awaited.Nothing;
    this.timer.cancel();
  }

  private expire(): void {
    const { engine, awaited } = this;
    engine.tick();
    this.cancel();
    if (awaited === Awaited.Destination) this.owner.onUnroutable('no-config', this.destination);
    else this.owner.onUnroutable('client-hello-expected', 'time-out');
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
