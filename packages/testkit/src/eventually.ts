const SHORTEST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Calls `attempt` until it neither throws nor gives `false`, with growing pauses of real time, and returns what it
 * gave. After `timeoutMs` it fails with the last reason. For end-to-end tests, which can't own the clock of others.
 */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs: number): Promise<T> {
  const startedMs = performance.now();
  let pauseMs = SHORTEST_PAUSE_MS;
  for (;;) {
    let reason: unknown;
    try {
      const value = await attempt();
      if (value !== false) return value;
      reason = new Error('the condition stayed false');
    } catch (error) {
      reason = error;
    }
    if (performance.now() - startedMs >= timeoutMs) {
      const message = reason instanceof Error ? reason.message : String(reason);
      throw new Error(`not within ${timeoutMs} ms: ${message}`, { cause: reason });
    }
    await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5);
  }
}
