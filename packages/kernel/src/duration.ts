import { assert } from './assert.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;

/** GEP-2257: at most four components of at most five digits each, in any order, no sign and no fraction. */
const DURATION = /^(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}$/;
const COMPONENT = /([0-9]+)(h|ms|m|s)/g;

/** The longest duration that `writeDuration` can express and `readDurationMs` read back: 99999h59m59s999ms. */
const LONGEST_MS = 99_999 * HOUR_MS + 59 * MINUTE_MS + 59 * SECOND_MS + 999;

/**
 * Reads a Gateway API duration (GEP-2257: "1h30m", "250ms", "0s") as whole milliseconds; undefined when malformed.
 */
export function readDurationMs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let totalMs = 0;
  for (const [, digits, unit] of text.matchAll(COMPONENT)) totalMs += Number(digits) * unitMs(unit);
  return totalMs;
}

/**
 * Writes whole milliseconds as GEP-2257 prescribes: largest units first, units of zero left out, "0s" for nothing.
 * Equal durations give equal text. Throws `InvariantError` for what the format can't express.
 */
export function writeDuration(ms: number): string {
  assert(Number.isSafeInteger(ms) && ms >= 0 && ms <= LONGEST_MS, `not a duration of whole milliseconds: ${ms}`);
  if (ms === 0) return '0s';
  let text = '';
  const hours = Math.floor(ms / HOUR_MS);
  const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS);
  const seconds = Math.floor((ms % MINUTE_MS) / SECOND_MS);
  if (hours > 0) text += `${hours}h`;
  if (minutes > 0) text += `${minutes}m`;
  if (seconds > 0) text += `${seconds}s`;
  if (ms % SECOND_MS > 0) text += `${ms % SECOND_MS}ms`;
  return text;
}

function unitMs(unit: string | undefined): number {
  if (unit === 'h') return HOUR_MS;
  if (unit === 'm') return MINUTE_MS;
  return unit === 's' ? SECOND_MS : 1;
}
