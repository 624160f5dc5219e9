import { Buffer } from 'node:buffer';

const INVALID = 255;
const PADDING = 64;
const sextets: Uint8Array = compileSextets();

/**
 * Base64 (RFC 4648 §4) to bytes, over any split. Padded pieces may follow one another, as a gRPC-Web client that sends
 * message by message writes them.
 */
export class Base64StreamDecoder {
  private bits: number;
  /** Characters of the present group of four, padding included. */
  private count: number;
  private padding: number;

  constructor() {
    this.bits = 0;
    this.count = 0;
    this.padding = 0;
  }

  /** The bytes that are whole now, in a buffer of their own; undefined at a character or padding that cannot stand there. */
  feed(chunk: Buffer, start: number, end: number): Buffer | undefined {
    const out = Buffer.allocUnsafe(Math.floor(((end - start + this.count) * 3) / 4) + 3);
    let length = 0;
    for (let at = start; at < end; at += 1) {
      const value = sextets[chunk[at]!]!;
      if (value === INVALID) return undefined;
      if (value === PADDING) {
        if (this.count < 2) return undefined;
        this.padding += 1;
        this.bits <<= 6;
      } else {
        if (this.padding > 0) return undefined;
        this.bits = (this.bits << 6) | value;
      }
      this.count += 1;
      if (this.count < 4) continue;
      out[length] = (this.bits >> 16) & 0xff;
      out[length + 1] = (this.bits >> 8) & 0xff;
      out[length + 2] = this.bits & 0xff;
      length += 3 - this.padding;
      this.bits = 0;
      this.count = 0;
      this.padding = 0;
    }
    return out.subarray(0, length);
  }

  /** False when the text ends inside a group. */
  get whole(): boolean {
    return this.count === 0;
  }
}

function compileSextets(): Uint8Array {
  const table = new Uint8Array(256).fill(INVALID);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=';
  for (let value = 0; value < alphabet.length; value += 1) table[alphabet.charCodeAt(value)] = value;
  return table;
}
