import { setTimeout as delay } from 'node:timers/promises';

export { delay };

/** Thrown by what is asked: there is nothing to wait for any more. */
export class Hopeless extends Error {}

/**
 * Asks again every `everyMs` until the answer is not undefined. Rejects after `timeoutMs` with what was waited for. An
 * error of `ask` means "not yet".
 */
export async function waitUntil<T>(
  what: string,
  timeoutMs: number,
  ask: () => Promise<T | undefined> | T | undefined,
  everyMs = 20,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let lastError = '';
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      lastError = `: ${(error as Error).message}`;
    }
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${timeoutMs / 1000} s${lastError}`);
    await delay(everyMs);
  }
}
