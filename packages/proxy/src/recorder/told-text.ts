/** Text of a request as the wire takes it: at most `mostBytes` bytes of UTF-8, without control characters. */
export function clipped(text: string, mostBytes: number): string {
  // Heads are latin-1, of which no character takes more than two bytes.
  const short = text.length * 3 > mostBytes ? text.slice(0, Math.floor(mostBytes / 3)) : text;
  return short.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** Fields of a request whose values are nobody's to see. */
export function isSecret(name: string): boolean {
  return /auth|cookie|token|secret|password|passwd|credential|session|signature|api-?key|private|jwt|csrf|xsrf/.test(
    name,
  );
}
