import type { Random } from '@weft/kernel';
import type { DestinationKey, Mirror } from '@weft/model';
import type { BackendState } from './backend-state.ts';

/** A second backend that gets a copy of some requests; its answers are dropped and count in no breaker and no budget. */
export interface CompiledMirror {
  /** Empty when the reference does not resolve: then nothing is mirrored. */
  readonly key: DestinationKey | '';
  readonly state: BackendState | undefined;
  /** Of all requests, 0 to 1. */
  readonly share: number;
}

export function compileMirror(
  mirror: Mirror,
  lookup: (key: DestinationKey) => BackendState | undefined,
): CompiledMirror {
  return {
    key: mirror.backend,
    state: mirror.backend === '' ? undefined : lookup(mirror.backend),
    share: mirror.denominator > 0 ? mirror.numerator / mirror.denominator : 0,
  };
}

/** Draws whether one request is mirrored. Drawn per mirror, each by itself. */
export function mirrorDrawn(mirror: CompiledMirror, random: Random): boolean {
  return mirror.state !== undefined && (mirror.share >= 1 || (mirror.share > 0 && random() < mirror.share));
}
