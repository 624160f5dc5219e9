import type { EndpointState } from '@weft/balance';
import { FieldId, Framing } from '@weft/http';
import type { TerminationCode } from '@weft/outcome';
import { planRetry, remainingMs } from '@weft/resilience';
import type { ExchangeState } from './exchange-state.ts';

/** No other try. */
export const NO_TRY = -1;

/** Whether a response head of this status may mean that the try failed. */
export function mayRetryStatus({ decision }: ExchangeState, status: number): boolean {
  if (status >= 502 && status <= 504) return true;
  return status < 1000 && decision.rule!.retryStatuses[status] === 1;
}

/**
 * Plans another try after one that failed: with `code`, or with a response head when that is ''. Milliseconds until it is to
 * begin; `NO_TRY` when there is to be none. What the new one takes of the budget has then been taken, and the failed one noted.
 */
export function planNextTry(
  exchange: ExchangeState,
  code: TerminationCode | '',
  status: number,
  grpcStatus: number,
  refusedByPeer: boolean,
  retryAfter: string,
  pushback: string,
): number {
  const { head, engine, decision, backend, endpoint } = exchange;
  if (backend === null) return NO_TRY;
  const { nowMs } = engine;
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
      bodyAtHand: head.framing === Framing.None || exchange.body.replayable || exchange.requestBytes === 0,
      tries: exchange.attempts,
      budgetAllows: backend.canRetry(nowMs, policy.budget),
      remainingMs: remainingMs(nowMs, exchange.requestDeadlineMs),
      retryAfter,
      pushback,
      wallMs: retryAfter === '' ? 0 : engine.clock.wallMs(),
    },
    engine.random,
  );
  if (!plan.retry) {
    if (plan.why === 'budget-spent') exchange.budgetSpent = true;
    return NO_TRY;
  }
  backend.retrySpent(nowMs);
  exchange.retried = true;
  engine.recorder.retried(exchange, plan.reason);
  if (endpoint !== null) {
    exchange.tried.add(endpoint);
    noteFailedTry(exchange, endpoint, code, status, plan.reason, plan.afterMs);
  }
  return plan.afterMs;
}

/** For explanations; a retry may cost an object. */
function noteFailedTry(
  exchange: ExchangeState,
  endpoint: EndpointState,
  code: TerminationCode | '',
  status: number,
  reason: string,
  backoffMs: number,
): void {
  const { connectMs, score, rival, rivalScore, tryStartMs: startedMs } = exchange;
  const durationMs = exchange.engine.nowMs - startedMs;
  const facts = { endpoint, startedMs, durationMs, connectMs, status, code };
  (exchange.failedTries ??= []).push({ ...facts, score, rival, rivalScore, reason, backoffMs });
}
