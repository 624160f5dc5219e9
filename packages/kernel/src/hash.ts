const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;
const REPLACEMENT = 0xfffd;

/**
 * FNV-1a, 32 bits, of the text's UTF-8 form, as an unsigned number: equal on every machine, allocates nothing. A lone
 * surrogate counts as U+FFFD, as every encoder writes it. Not for input chosen by an adversary: collisions are easy.
 */
export function fnv1a32(text: string): number {
  let hash = OFFSET_BASIS;
  for (let index = 0; index < text.length; index += 1) {
    let code = text.charCodeAt(index);
    if (code < 0x80) {
      hash = Math.imul(hash ^ code, PRIME);
      continue;
    }
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 ? text.charCodeAt(index + 1) : Number.NaN;
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        index += 1;
      } else {
        code = REPLACEMENT;
      }
    }
    hash = hashMultibyte(hash, code);
  }
  return hash >>> 0;
}

function hashMultibyte(start: number, code: number): number {
  let hash = start;
  if (code < 0x800) {
    hash = Math.imul(hash ^ (0xc0 | (code >> 6)), PRIME);
  } else {
    if (code < 0x10000) {
      hash = Math.imul(hash ^ (0xe0 | (code >> 12)), PRIME);
    } else {
      hash = Math.imul(hash ^ (0xf0 | (code >> 18)), PRIME);
      hash = Math.imul(hash ^ (0x80 | ((code >> 12) & 0x3f)), PRIME);
    }
    hash = Math.imul(hash ^ (0x80 | ((code >> 6) & 0x3f)), PRIME);
  }
  return Math.imul(hash ^ (0x80 | (code & 0x3f)), PRIME);
}
