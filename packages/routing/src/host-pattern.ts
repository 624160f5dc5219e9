/** Larger than any host name, so that an exact name always stands above a wildcard. */
const EXACT_RANK = 1 << 16;

const DOT = 0x2e;
const BRACKET = 0x5b;

/**
 * The host of an authority in the form hosts are compared in: lower case, without port and trailing dot, IPv6 in its
 * brackets or, where a bare address is given, without. Allocates only when the text is not in that form already.
 */
export function hostOf(authority: string): string {
  let end = authority.length;
  if (authority.charCodeAt(0) === BRACKET) {
    const close = authority.indexOf(']');
    if (close > 0) end = close + 1;
  } else {
    const colon = authority.indexOf(':');
    if (colon >= 0 && authority.indexOf(':', colon + 1) < 0) end = colon;
  }
  if (end > 1 && authority.charCodeAt(end - 1) === DOT) end -= 1;
  const host = end === authority.length ? authority : authority.slice(0, end);
  return host.toLowerCase();
}

/**
 * How specific a hostname of a route is (Gateway API `HTTPRouteSpec.hostnames`): more characters of an exact name stand
 * above more characters of a wildcard, which stand above the empty pattern that means any host.
 */
export function hostRank(pattern: string): number {
  if (pattern === '' || pattern === '*') return 0;
  return pattern.startsWith('*.') ? pattern.length : EXACT_RANK + pattern.length;
}

/** Whether a host in the form of `hostOf` is covered. `*.a.example` covers any number of labels, but not `a.example`. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '' || pattern === '*') return true;
  if (!pattern.startsWith('*.')) return pattern === host;
  return host.length >= pattern.length && host.endsWith(pattern.slice(1));
}
