import { TriedEndpoints } from '@weft/balance';
import type { EndpointState } from '@weft/balance';
import type { BackendState, CompiledRule } from '@weft/decision';
import type { Timer } from '@weft/kernel';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { planRetry } from '@weft/resilience';
import type { Engine } from '../exchange/engine.ts';
import type { RelayPipe } from './relay-pipe.ts';
import { TcpTry } from './tcp-try.ts';
import type { TryOwner, UpstreamOwner } from './tcp-try.ts';

/** Hears how the tries went, of the first two one, once, perhaps before `start` has returned; then what the endpoint says. */
export interface TriesOwner extends UpstreamOwner {
  /** An application has accepted. */
  onOpened(pipe: RelayPipe): void;
  onGivenUp(code: TerminationCode, detail: string): void;
}

/**
 * The tries of one TCP connection to reach an application of its backend: one endpoint after the other, until one has
 * accepted. What came of each is told to the balancer. Nothing of the caller is sent before, so any try may be followed by another.
 */
export class TcpTries implements TryOwner {
  /** Null until the backend has admitted the connection. */
  backend: BackendState | null;
  /** Of the last try. */
  endpoint: EndpointState | null;
  attempts: number;
  retried: boolean;
  /** Of the try that opened; -1 before. */
  connectMs: number;
  private readonly engine: Engine;
  private readonly owner: TriesOwner;
  private readonly tried: TriedEndpoints;
  private readonly backoff: Timer;
  private rule: CompiledRule | null;
  private maxPerEndpoint: number;
  private current: TcpTry | null;
  private tryStarted: boolean;
  private tryStartMs: number;
  /** The endpoint has shown that it works: its first byte has come. */
  private proven: boolean;

  constructor(engine: Engine, owner: TriesOwner) {
    this.backend = null;
    this.endpoint = null;
    this.attempts = 0;
    this.retried = false;
    this.connectMs = -1;
    this.engine = engine;
    this.owner = owner;
    this.tried = new TriedEndpoints();
    this.backoff = engine.wheel.create(() => {
      engine.tick();
      this.startTry();
    });
    this.rule = null;
    this.maxPerEndpoint = 0;
    this.current = null;
    this.tryStarted = false;
    this.tryStartMs = 0;
    this.proven = false;
  }

  /** Of the connection to the endpoint; null before and after. */
  get socket(): TcpTry['socket'] {
    return this.current?.socket ?? null;
  }

  /** Asks the backend for room: the code to refuse the connection with, or undefined. Once. */
  admit(backend: BackendState): TerminationCode | undefined {
    const { nowMs } = this.engine;
    const refused = backend.admit();
    if (refused !== undefined) return refused;
    this.backend = backend;
    backend.requestStarted(nowMs);
    return undefined;
  }

  /** Once admitted. `maxPerEndpoint`: connections that one endpoint may have; 0 for any number. */
  start(rule: CompiledRule, maxPerEndpoint: number): void {
    this.rule = rule;
    this.maxPerEndpoint = maxPerEndpoint;
    this.startTry();
  }

  /**
   * The first byte has come: the endpoint works. Once. The latency that balancing learns from is that of connecting: what follows is as
   * long as the caller likes.
   */
  prove(): void {
    this.proven = true;
    this.backend!.tryHead(this.endpoint!, this.engine.nowMs, this.connectMs, 200);
  }

  /** The connection is over, whatever it came to. `cut`: the endpoint must see that it broke off. Once. */
  finish(code: TerminationCode, cut: boolean): void {
    const { backend, current } = this;
    this.backoff.cancel();
    this.current = null;
    current?.close(cut);
    this.endTry(code);
    if (backend === null) return;
    outcome.failed = this.connectMs < 0 && terminations[code].fault === 'server';
    outcome.latencyMs = Math.max(0, this.connectMs);
    outcome.attempts = this.attempts;
    backend.requestEnded(this.engine.nowMs, outcome);
  }

  onTryOpened(pipe: RelayPipe): void {
    this.connectMs = this.engine.nowMs - this.tryStartMs;
    this.owner.onOpened(pipe);
  }

  /** Nothing was sent to an application, so another endpoint may be tried. */
  onTryFailed(code: TerminationCode, detail: string): void {
    const { engine } = this;
    this.current = null;
    this.endTry(code);
    const backend = this.backend!;
    const policy = this.rule!.retries;
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
        budgetAllows: backend.canRetry(engine.nowMs, policy.budget),
        remainingMs: Number.POSITIVE_INFINITY,
        retryAfter: '',
        pushback: '',
        wallMs: 0,
      },
      engine.random,
    );
    if (!plan.retry) {
      this.owner.onGivenUp(code, detail);
      return;
    }
    backend.retrySpent(engine.nowMs);
    this.retried = true;
    this.tried.add(this.endpoint!);
    this.backoff.reschedule(plan.afterMs, engine.nowMs);
  }

  private startTry(): void {
    const { engine } = this;
    const { nowMs } = engine;
    const backend = this.backend!;
    const endpoint = backend.pick(nowMs, this.tried.length > 0 ? this.tried : null, true);
    if (endpoint === undefined) {
      this.owner.onGivenUp(backend.refusal, backend.key);
      return;
    }
    this.endpoint = endpoint;
    this.attempts += 1;
    this.tryStarted = true;
    this.tryStartMs = nowMs;
    backend.tryStarted(endpoint, nowMs);
    this.tellFull(endpoint);
    const { connectMs } = this.rule!.timeouts;
    this.current = new TcpTry(engine, { backend, endpoint, connectMs }, this, this.owner);
    this.current.start();
  }

  private endTry(code: TerminationCode): void {
    if (!this.tryStarted) return;
    this.tryStarted = false;
    const { nowMs } = this.engine;
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
}

// Filled and read within one call of `finish`.
const outcome = { failed: false, latencyMs: 0, attempts: 0 };
