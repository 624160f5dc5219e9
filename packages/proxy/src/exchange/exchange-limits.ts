import type { TerminationCode } from '@weft/outcome';
import { State } from './exchange-state.ts';
import type { ExchangeState } from './exchange-state.ts';

/** When the exchange is to be looked at again: the first of its time limits; `Infinity` without any. */
export function nextLimitMs({ requestDeadlineMs, tryDeadlineMs, idleMs, lastMovedMs }: ExchangeState): number {
  const idleAtMs = idleMs > 0 ? lastMovedMs + idleMs : Number.POSITIVE_INFINITY;
  return Math.min(requestDeadlineMs, tryDeadlineMs, idleAtMs);
}

/** Nothing has moved for too long: who was it that all waited for? */
export function stalledCode({ state, downstream, body, stream }: ExchangeState): TerminationCode {
  if (state === State.Tunnel) return 'stream-idle-timeout';
  if (downstream.blocked) return 'downstream-write-timeout';
  return state === State.Sent && !body.whole && !stream!.blocked ? 'request-body-timeout' : 'stream-idle-timeout';
}
