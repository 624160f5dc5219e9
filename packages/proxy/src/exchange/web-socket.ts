import { createHash, randomBytes } from 'node:crypto';
import type { Head } from '@weft/http';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const KEY = 'sec-websocket-key';
const ACCEPT = 'sec-websocket-accept';

/**
 * Over HTTP/2 a WebSocket is asked for without a key (RFC 8441 §5), and a server of HTTP/1.1 refuses one without (RFC 6455 §4.2.1). Which
 * of both answers is not known yet, so a request that came without has one from here on.
 */
export function addWebSocketKey(request: Head): void {
  if (request.raw || request.valueOf(KEY) !== undefined) return;
  request.append(KEY, randomBytes(16).toString('base64'));
}

/** A server of HTTP/2 proves nothing, and a client of HTTP/1.1 must have the proof (RFC 6455 §4.1). */
export function addWebSocketAccept(response: Head, request: Head): void {
  if (response.raw || response.valueOf(ACCEPT) !== undefined) return;
  const key = request.valueOf(KEY);
  if (key === undefined) return;
  response.append(ACCEPT, createHash('sha1').update(`${key}${GUID}`).digest('base64'));
}
