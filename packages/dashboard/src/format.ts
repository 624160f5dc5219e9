/** Figures as people read them. What is not known is a dash, never a zero. */

export const UNKNOWN = '–';

/** Names in the order people look for them: `web-2` before `web-10`. */
export const nameOrder: Intl.Collator = new Intl.Collator('en', { numeric: true });

/** A rate per second. */
export function rate(value: number | null): string {
  return value === null ? UNKNOWN : `${short(value)}/s`;
}

/** A share of 0 to 1, as per cent; what is less than the last digit shown is not called nothing. */
export function share(value: number | null): string {
  if (value === null) return UNKNOWN;
  const percent = value * 100;
  if (percent === 0 || percent === 100) return `${percent}%`;
  if (percent < 0.1) return '<0.1%';
  if (percent > 99.9) return '>99.9%';
  return `${percent.toFixed(percent < 10 || percent > 90 ? 1 : 0)}%`;
}

/** A duration in milliseconds; -1 is unknown too, as the wire says it. */
export function milliseconds(value: number | null): string {
  if (value === null || value < 0) return UNKNOWN;
  if (value === 0) return '0 ms';
  if (value < 0.1) return '<0.1 ms';
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1_000) return `${value.toFixed(0)} ms`;
  if (value < 60_000) return `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)} s`;
  return span(value);
}

export function bytes(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (value < 1_000) return `${value.toFixed(0)} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let scaled = value / 1_000;
  let unit = 0;
  for (; scaled >= 999.5 && unit < units.length - 1; unit += 1) scaled /= 1_000;
  return `${scaled.toFixed(scaled < 10 ? 1 : 0)} ${units[unit]}`;
}

export function count(value: number | null): string {
  return value === null ? UNKNOWN : value.toLocaleString('en');
}

/** A length of time in its two largest units. */
export function span(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago; a dash for a time that never was. */
export function ago(atMs: number, nowMs: number): string {
  return atMs === 0 ? UNKNOWN : `${span(nowMs - atMs)} ago`;
}

/** Time of day, with milliseconds when asked for. */
export function clock(atMs: number, withMs = false): string {
  const date = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMs ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time;
}

/** The name without its namespace. */
export function bareName(id: string): string {
  return id.slice(id.indexOf('/') + 1);
}

export function namespaceOf(id: string): string {
  const slash = id.indexOf('/');
  return slash < 0 ? '' : id.slice(0, slash);
}

function short(value: number): string {
  if (value === 0) return '0';
  if (value < 0.1) return '<0.1';
  if (value < 10) return value.toFixed(1);
  if (value < 1_000) return value.toFixed(0);
  return value < 999_500 ? `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)}k` : `${(value / 1e6).toFixed(1)}M`;
}
