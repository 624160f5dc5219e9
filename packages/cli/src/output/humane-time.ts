/** A length of time as a person says it: the two largest units, no false precision. `3h12m`, `45s`, `820ms`, `12d4h`. */
export function humaneDuration(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1000) return `${whole}ms`;
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ];
  const first = units.findIndex(([, unitMs]) => whole >= unitMs);
  const [name, unitMs] = units[first]!;
  const count = Math.floor(whole / unitMs);
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((whole % unitMs) / next[1]);
  return rest === 0 ? `${count}${name}` : `${count}${name}${rest}${next![0]}`;
}

/** `never` for 0, which stands for a moment that has not been. */
export function humaneAgo(atMs: number, nowMs: number): string {
  return atMs === 0 ? 'never' : humaneDuration(nowMs - atMs);
}

/** `-` for 0, `expired` when past. */
export function humaneUntil(atMs: number, nowMs: number): string {
  if (atMs === 0) return '';
  return atMs <= nowMs ? 'expired' : humaneDuration(atMs - nowMs);
}
