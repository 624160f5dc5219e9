/** What a server's first bytes belong to, as far as they tell. */
export type ServerBytes = 'http1' | 'http2' | 'unknown';

const HTTP1 = [0x48, 0x54, 0x54, 0x50, 0x2f] as const;
const SETTINGS = 0x04;
/** Header of a frame, RFC 9113 §4.1. */
const FRAME_HEADER_BYTES = 9;
/** Of one setting, §6.5.1. */
const SETTING_BYTES = 6;

/**
 * Says what bytes[start, end), the first that a server sent, belong to: `HTTP/` begins every HTTP/1 response (RFC 9112 §4), a
 * SETTINGS frame on stream 0 every HTTP/2 connection (RFC 9113 §3.4). Whatever is too short to be either is `unknown`.
 */
export function sniffServerBytes(bytes: Uint8Array, start: number, end: number): ServerBytes {
  const count = end - start;
  if (count >= HTTP1.length && HTTP1.every((byte, index) => bytes[start + index] === byte)) return 'http1';
  if (count < FRAME_HEADER_BYTES || bytes[start + 3] !== SETTINGS) return 'unknown';
  const length = (bytes[start]! << 16) | (bytes[start + 1]! << 8) | bytes[start + 2]!;
  const stream = bytes[start + 5]! | bytes[start + 6]! | bytes[start + 7]! | bytes[start + 8]!;
  return length % SETTING_BYTES === 0 && stream === 0 ? 'http2' : 'unknown';
}
