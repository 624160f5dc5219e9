import type { EndpointState } from '@weft/balance';
import type { RouteDecision, Tables } from '@weft/decision';
import type { DestinationKey } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import type { TcpFacts } from './tcp-facts.ts';
import type { TcpRelay } from './tcp-relay.ts';
import type { TcpRouting } from './tcp-routing.ts';
import type { TcpTries } from './tcp-tries.ts';

/** The parts of one connection that know something of it. */
export interface AccountParts {
  readonly routing: TcpRouting;
  readonly tries: TcpTries;
  readonly relay: TcpRelay;
}

/** What is known of one TCP connection, put together from its parts, and told to the recorder. */
export class TcpAccount implements TcpFacts {
  readonly ingress: Ingress;
  private readonly engine: Engine;
  private readonly parts: AccountParts;
  private readonly startMs: number;
  private countedReceived: number;
  private countedSent: number;

  constructor(engine: Engine, ingress: Ingress, parts: AccountParts) {
    this.ingress = ingress;
    this.engine = engine;
    this.parts = parts;
    this.startMs = engine.nowMs;
    this.countedReceived = 0;
    this.countedSent = 0;
  }

  get decision(): RouteDecision {
    return this.parts.routing.decision;
  }

  get tables(): Tables {
    return this.parts.routing.tables;
  }

  /** At a Gateway it is known with the backend. */
  get destination(): DestinationKey {
    const { routing, tries } = this.parts;
    return routing.destination === '' ? (tries.backend?.key ?? '') : routing.destination;
  }

  get serverName(): string {
    return this.parts.routing.serverName;
  }

  get durationMs(): number {
    return this.engine.nowMs - this.startMs;
  }

  get receivedBytes(): number {
    return this.parts.relay.receivedBytes;
  }

  get sentBytes(): number {
    return this.parts.relay.sentBytes;
  }

  get connectMs(): number {
    return this.parts.tries.connectMs;
  }

  get attempts(): number {
    return this.parts.tries.attempts;
  }

  get retried(): boolean {
    return this.parts.tries.retried;
  }

  get endpoint(): EndpointState | null {
    return this.parts.tries.endpoint;
  }

  /** The caller is there and its backend has admitted it. */
  begin(): void {
    this.engine.tcp.recorder.begun(this);
  }

  /** What has moved since the last time. */
  count(): void {
    const { receivedBytes, sentBytes } = this;
    const received = receivedBytes - this.countedReceived;
    const sent = sentBytes - this.countedSent;
    if (received === 0 && sent === 0) return;
    this.countedReceived = receivedBytes;
    this.countedSent = sentBytes;
    this.engine.tcp.recorder.moved(this, received, sent);
  }

  /** Once. */
  end(code: TerminationCode, detail: string): void {
    this.count();
    this.engine.tcp.recorder.ended(this, code, detail);
  }
}
