import type { Buffer } from 'node:buffer';
import { assert } from '@weft/kernel';
import type { ByteWriter } from '@weft/kernel';

/**
 * The Huffman code of HPACK (RFC 7541 §5.2, Appendix B). It is canonical: symbols of one length have consecutive codes
 * in the order of their values, so the lengths say everything.
 *
 * Reading looks ten bits ahead in one table, which settles every symbol that occurs in ordinary text; the rare longer
 * codes are found by comparing with the last code of each length.
 */
// prettier-ignore
const codeBits = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const EOS = 256;
const MAX_BITS = 30;
const LOOK_BITS = 10;

/** Code of each symbol, right aligned. */
const codes = new Uint32Array(257);
const lengths = Uint8Array.from(codeBits);
/** By the next ten bits: symbol << 4 | length; 0 when the code is longer. */
const look = new Uint16Array(1 << LOOK_BITS);
/** By length: the first code, how many there are, and where its symbols begin in `ordered`. */
const firstCode = new Uint32Array(MAX_BITS + 1);
const codeCount = new Uint16Array(MAX_BITS + 1);
const firstSymbol = new Uint16Array(MAX_BITS + 1);
const ordered = new Uint16Array(257);
compileTables();

/**
 * Decodes source[start, end) into target from `at` on and returns where it stopped; -1 when the text holds EOS or is
 * padded with anything but fewer than eight one bits (RFC 7541 §5.2). The target has room for 8/5 of the source.
 */
export function readHuffman(source: Buffer, start: number, end: number, target: Buffer, at: number): number {
  let pos = start;
  let out = at;
  // The low `count` bits of `window` are unread. At most 32 of them, so shifts stay exact.
  let window = 0;
  let count = 0;
  for (;;) {
    while (count <= 24 && pos < end) {
      window = (window << 8) | source[pos++]!;
      count += 8;
    }
    if (count >= LOOK_BITS) {
      const entry = look[(window >>> (count - LOOK_BITS)) & 0x3ff]!;
      if (entry !== 0) {
        target[out++] = entry >>> 4;
        count -= entry & 15;
        continue;
      }
    } else {
      if (count === 0) return out;
      // The end: ones fill what is missing, which no symbol shorter than the rest can be mistaken for.
      const rest = window & ((1 << count) - 1);
      const entry = look[((rest << (LOOK_BITS - count)) | ((1 << (LOOK_BITS - count)) - 1)) & 0x3ff]!;
      if (entry !== 0 && (entry & 15) <= count) {
        target[out++] = entry >>> 4;
        count -= entry & 15;
        continue;
      }
      return count < 8 && rest === (1 << count) - 1 ? out : -1;
    }
    const symbol = readLong(window, count, pos < end ? source[pos]! : 0xff);
    if (symbol < 0 || symbol === EOS) return -1;
    target[out++] = symbol;
    const bits = lengths[symbol]!;
    if (bits > count) {
      // Up to five of its bits were in the byte behind the window.
      if (pos === end) return -1;
      const over = bits - count;
      window = source[pos++]!;
      count = 8 - over;
    } else count -= bits;
  }
}

/** Bytes that source[start, end) takes when coded. */
export function huffmanLength(source: Buffer, start: number, end: number): number {
  let bits = 0;
  for (let pos = start; pos < end; pos += 1) bits += lengths[source[pos]!]!;
  return (bits + 7) >>> 3;
}

/** Appends source[start, end) in the code, padded with ones. */
export function writeHuffman(out: ByteWriter, source: Buffer, start: number, end: number): void {
  let window = 0;
  let count = 0;
  for (let pos = start; pos < end; pos += 1) {
    const symbol = source[pos]!;
    let bits = lengths[symbol]!;
    const code = codes[symbol]!;
    // At most seven bits wait, so a code of up to 24 fits beside them; longer ones go in two parts.
    if (bits > 24) {
      window = (window << (bits - 16)) | (code >>> 16);
      count += bits - 16;
      while (count >= 8) {
        count -= 8;
        out.byte((window >>> count) & 0xff);
      }
      bits = 16;
    }
    window = (window << bits) | (code & (bits === 16 ? 0xffff : 0xffffff));
    count += bits;
    while (count >= 8) {
      count -= 8;
      out.byte((window >>> count) & 0xff);
    }
  }
  if (count > 0) out.byte(((window << (8 - count)) | (0xff >>> count)) & 0xff);
}

/** The symbol of more than ten bits at the front of the window, which is continued by `next`; -1 when there is none. */
function readLong(window: number, count: number, next: number): number {
  // Thirty bits as a number: those of the window, then those of the next byte, then ones.
  const have = count >= MAX_BITS ? MAX_BITS : count;
  let bits = count > MAX_BITS ? (window >>> (count - MAX_BITS)) & 0x3fffffff : mask(window, count);
  let missing = MAX_BITS - have;
  if (missing > 0) {
    const taken = missing < 8 ? missing : 8;
    bits = bits * 2 ** taken + (next >>> (8 - taken));
    missing -= taken;
    bits = bits * 2 ** missing + (2 ** missing - 1);
  }
  for (let length = LOOK_BITS + 1; length <= MAX_BITS; length += 1) {
    const offset = Math.floor(bits / 2 ** (MAX_BITS - length)) - firstCode[length]!;
    if (offset >= 0 && offset < codeCount[length]!) return ordered[firstSymbol[length]! + offset]!;
  }
  return -1;
}

function mask(window: number, count: number): number {
  return count === 32 ? window >>> 0 : (window & (2 ** count - 1)) >>> 0;
}

function compileTables(): void {
  let code = 0;
  let at = 0;
  for (let length = 1; length <= MAX_BITS; length += 1) {
    code *= 2;
    firstCode[length] = code;
    firstSymbol[length] = at;
    for (let symbol = 0; symbol <= EOS; symbol += 1) {
      if (lengths[symbol] !== length) continue;
      codes[symbol] = code;
      ordered[at++] = symbol;
      codeCount[length]! += 1;
      if (length <= LOOK_BITS) {
        const shift = LOOK_BITS - length;
        look.fill((symbol << 4) | length, code << shift, (code + 1) << shift);
      }
      code += 1;
    }
  }
  // A complete code uses every string of thirty bits exactly once.
  assert(code === 2 ** MAX_BITS, 'the Huffman code of HPACK is complete');
}
