const SHORTEST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Calls `attempt` until it neither throws nor gives `false`, with growing pauses, and returns what it gave. After
 * `timeoutMs` it fails with the last reason. For end-to-end tests, which can't own the clock of others.
 *
 * The limit ends a hang and judges nothing: it counts the pauses that were asked for, not what a clock says, and of one
 * attempt a quarter of the limit at most. Where a machine gives its processor to others for seconds, what is waited for
 * has had no turn either.
 */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs: number): Promise<T> {
  let spentMs = 0;
  let pauseMs = SHORTEST_PAUSE_MS;
  for (;;) {
    const startedMs = performance.now();
    let reason: unknown;
    try {
      const value = await attempt();
      if (value !== false) return value;
      reason = new Error('the condition stayed false');
    } catch (error) {
      reason = error;
    }
    spentMs += Math.min(performance.now() - startedMs, timeoutMs / 4);
    if (spentMs >= timeoutMs) {
      const message = reason instanceof Error ? reason.message : String(reason);
      throw new Error(`not within ${timeoutMs} ms: ${message}`, { cause: reason });
    }
    await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
    spentMs += pauseMs;
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5);
  }
}
