import { systemClock } from '@weft/kernel';

export interface EndSignalHandlers {
  /** Asked to end: in good order. */
  first(reason: string): void;
  /** Asked again: at once. */
  second(reason: string): void;
}

/** The reason that is no signal. */
export const orphaned = 'the process that started this one is gone';

/**
 * Terminals send Ctrl-C to all processes of the foreground, and npm and the launcher pass on what they get: one wish of a
 * person arrives up to three times within milliseconds, and counts once.
 */
const ONE_WISH_MS = 500;

/**
 * Follows what asks a Weft process to end: SIGTERM, SIGINT, SIGHUP, and the death of the process that started it (its
 * channel closes; such a process has nobody left who would stop it). Returns how to stop following.
 */
export function followEndSignals(handlers: EndSignalHandlers): () => void {
  let firstAtMs = 0;
  const wish = (reason: string): void => {
    const nowMs = systemClock.nowMs();
    if (firstAtMs === 0) {
      firstAtMs = nowMs;
      handlers.first(reason);
    } else if (nowMs - firstAtMs > ONE_WISH_MS) handlers.second(reason);
  };
  const disconnected = (): void => wish(orphaned);
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, wish);
  if (process.channel !== undefined) {
    process.on('disconnect', disconnected);
    // Listened to, but no reason to stay.
    process.channel?.unref();
  }
  return () => {
    for (const signal of signals) process.removeListener(signal, wish);
    process.removeListener('disconnect', disconnected);
  };
}
