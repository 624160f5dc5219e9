const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
// Control characters that JSON allows bare but a terminal obeys, and the two line separators that JavaScript knows.
const UNSAFE = /[\u007f-\u009f\u2028\u2029]/g;

/** `text` as a JSON string. What needs no escape, nearly everything, costs one scan; a log line stays one line on any terminal. */
export function writeJsonText(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(UNSAFE, (unsafe) => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
