// W3C Trace Context §3.3.1.3: a simple key, or a tenant's key at a system.
const KEY = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
/** §3.3.1.1: more list-members make the whole header invalid. */
const MAX_MEMBERS = 32;
/** §3.3.1.5: at least so much is sent on; what is longer is shortened by whole members. */
const MAX_CHARS = 512;
const LONG_MEMBER_CHARS = 128;

/**
 * Reads `tracestate`, several header lines joined by commas, to the text to be sent on. Weft adds no member of its own.
 * Empty when there is nothing to send on or the header is invalid, which does not touch `traceparent` (§3.3.1).
 */
export function readTraceState(text: string | undefined): string {
  if (text === undefined || text === '') return '';
  const members: string[] = [];
  const keys = new Set<string>();
  let chars = 0;
  for (const part of text.split(',', MAX_INPUT_MEMBERS)) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, '');
    if (member === '') continue;
    const equals = member.indexOf('=');
    const key = member.slice(0, Math.max(0, equals));
    if (equals < 1 || keys.has(key) || !KEY.test(key) || !VALUE.test(member.slice(equals + 1))) return '';
    if (members.length === MAX_MEMBERS) return '';
    keys.add(key);
    members.push(member);
    chars += member.length + 1;
  }
  return chars - 1 <= MAX_CHARS ? members.join(',') : shorten(members);
}

// Empty members are allowed and count for nothing; nobody honest sends hundreds of them.
const MAX_INPUT_MEMBERS = 128;

// §3.3.1.5: members over 128 characters go first, then those at the end of the list.
function shorten(members: readonly string[]): string {
  const kept = [...members];
  const chars = (): number => kept.reduce((sum, member) => sum + member.length + 1, -1);
  for (let index = kept.length - 1; index >= 0 && chars() > MAX_CHARS; index -= 1) {
    if (kept[index]!.length > LONG_MEMBER_CHARS) kept.splice(index, 1);
  }
  while (chars() > MAX_CHARS) kept.pop();
  return kept.join(',');
}
