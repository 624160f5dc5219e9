import type { OutsideTarget } from '../exchange/egress.ts';

/** How a session begins. */
export interface SessionStart {
  readonly encrypted: boolean;
  /** The caller is a sidecar that waits to hear whether the application accepted (`open-reply.ts`). */
  readonly announces: boolean;
  /** Null when the caller is attached at once. */
  readonly race: SessionRace | null;
  /** The way out of the mesh to where the caller was going; null when the destination is one of the mesh. */
  readonly way: OutsideTarget | null;
}

/** Of a caller that has not spoken yet: it is attached once it is known that its connection is opaque. */
export interface SessionRace {
  /** The endpoint has spoken: attach the caller. */
  serverFirst(): void;
  /** The session is over without having touched the caller. */
  over(): void;
}
