import { readFileSync } from 'node:fs';
import type { Clock } from '@weft/kernel';

/** The kubelet changes a projected token when a fifth of its life is left. */
const TOKEN_AGE_MS = 30_000;

/** Reads again when what was read is old; keeps the last one when the file is away for a moment. */
export function tokenFile(path: string, clock: Clock): () => string {
  let token = '';
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.nowMs() - readAtMs < TOKEN_AGE_MS) return token;
    try {
      token = readFileSync(path, 'utf8').trim();
    } catch (error) {
      if (token === '') throw error;
    }
    readAtMs = clock.nowMs();
    return token;
  };
}
