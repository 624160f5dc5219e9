/** The randomness port: a number uniform in [0, 1). Not for keys or tokens, which need WebCrypto. */
export type Random = () => number;

/** The generator of the machine: the one place that calls `Math.random`. */
export const systemRandom: Random = () => Math.random();

/**
 * A generator whose sequence is fixed by `seed` (its low 32 bits), the same on every machine: sfc32 with 32-bit
 * results, warmed up so that neighbouring seeds give unrelated sequences.
 */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  // Practrand's author advises 12 rounds before the first result; 16 cost nothing.
  for (let round = 0; round < 16; round += 1) next();
  return next;
}
