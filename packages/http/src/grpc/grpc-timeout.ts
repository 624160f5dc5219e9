const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** The longest that is kept apart from none: 8 digits of hours are more than a point in time can be added to. */
const LONGEST_MS = 1e14;

/**
 * Reads a `grpc-timeout` (gRPC over HTTP/2, "Timeout": 1 to 8 digits and a unit of H M S m u n) as milliseconds; -1 when it
 * is none, which the server may refuse.
 */
export function readGrpcTimeoutMs(value: string): number {
  const unit = UNIT_MS[value.charAt(value.length - 1)];
  const digits = value.length - 1;
  if (unit === undefined || digits < 1 || digits > 8) return -1;
  let amount = 0;
  for (let at = 0; at < digits; at += 1) {
    const digit = value.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    amount = amount * 10 + digit;
  }
  return Math.min(amount * unit, LONGEST_MS);
}

/** Writes what is left of a deadline, never more than it: 8 digits of the finest unit that holds it, and at least 1n. */
export function writeGrpcTimeout(ms: number): string {
  if (ms < 100_000) return ms < 1e-3 ? '1n' : `${Math.max(1, Math.floor(ms * 1e3))}u`;
  if (ms < 100_000_000) return `${Math.floor(ms)}m`;
  if (ms < 100_000_000_000) return `${Math.floor(ms / 1e3)}S`;
  const hours = Math.floor(ms / 3_600_000);
  return hours < 100_000_000 ? `${hours}H` : '99999999H';
}
