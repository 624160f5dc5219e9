const PRIME = 0x01000193;

/** Of the empty text. */
export const EMPTY_HASH = 0x811c9dc5;

/** The hash of a text with one more UTF-16 unit: FNV-1a. It is taken while a path is walked, so `fnv1a32` of kernel (UTF-8) does not serve. */
export function nextHash(hash: number, code: number): number {
  return Math.imul(hash ^ code, PRIME);
}

export function hashOf(text: string): number {
  let hash = EMPTY_HASH;
  for (let index = 0; index < text.length; index += 1) hash = nextHash(hash, text.charCodeAt(index));
  return hash;
}

/** Keeps a hash a small integer, which a map takes as a key without boxing it. */
export function keyOf(hash: number): number {
  return hash & 0x3fffffff;
}
