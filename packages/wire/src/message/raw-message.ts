/** Joins messages that are encoded already into the bytes of the message around them. */

const DELIMITED = 2;

/** `repeated` or single message field of number `number` (below 16) with each of `messages`. */
export function rawMessages(number: number, messages: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const message of messages) length += 1 + lengthBytes(message.length) + message.length;
  const bytes = Buffer.allocUnsafe(length);
  let position = 0;
  for (const message of messages) {
    bytes[position] = (number << 3) | DELIMITED;
    position = writeLength(bytes, position + 1, message.length);
    bytes.set(message, position);
    position += message.length;
  }
  return bytes;
}

/** One message field around parts that together are its content. */
export function rawMessage(number: number, parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(1 + lengthBytes(length) + length);
  bytes[0] = (number << 3) | DELIMITED;
  let position = writeLength(bytes, 1, length);
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

function writeLength(bytes: Buffer, start: number, length: number): number {
  let position = start;
  let rest = length;
  while (rest > 0x7f) {
    bytes[position] = (rest & 0x7f) | 0x80;
    position += 1;
    rest >>>= 7;
  }
  bytes[position] = rest;
  return position + 1;
}

function lengthBytes(length: number): number {
  let bytes = 1;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}
