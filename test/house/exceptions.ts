/**
 * Where a global that stands for time, chance or the environment may be used, and how often at most. Every other use goes
 * through a port (`Clock`, `Random`, `TimerWheel` of @weft/kernel) or is handed in by the program's entry.
 *
 * Programs (ring 7) live in real time: they read the environment, supervise processes, and the demo measures Weft from outside,
 * by a clock that is not Weft's. There, and only there, clocks, timers and `process.env` need no line. Chance always does.
 *
 * The list is a ratchet: a use too many fails the house test, and so does a line whose number is higher than what is
 * there. Lower the number in the commit that removes the use; raising one needs a reason that convinces a reader.
 */
export interface GlobalHome {
  readonly file: string;
  readonly global: string;
  readonly most: number;
  readonly reason: string;
}

const home = (file: string, global: string, most: number, reason: string): GlobalHome => ({
  file,
  global,
  most,
  reason,
});

export const globalHomes: readonly GlobalHome[] = [
  home('packages/kernel/src/clock.ts', 'performance.now', 1, 'the one clock of the machine'),
  home('packages/kernel/src/clock.ts', 'Date.now', 1, 'the one clock of the machine'),
  home('packages/kernel/src/random.ts', 'Math.random', 1, 'the one source of chance'),
  home('packages/kernel/src/timer-wheel.ts', 'setInterval', 1, 'the one interval that drives all timers'),
  home('packages/kernel/src/timer-wheel.ts', 'setTimeout', 1, 'the one nap of the wheel while no timer is near'),
  home(
    'packages/proxy/src/transport/bulk-pace.ts',
    'setTimeout',
    1,
    'the one rest of all bulk of a thread, a tenth of a tick of the wheel',
  ),
  home('packages/testkit/src/eventually.ts', 'performance.now', 2, 'waits for real sockets and processes, with an end'),
  home('packages/testkit/src/eventually.ts', 'setTimeout', 1, 'waits for real sockets and processes, with an end'),
  home('packages/testkit/src/scripted-peer.ts', 'setTimeout', 2, 'a real socket that stays silent must fail the test'),
];

export const freeInPrograms: ReadonlySet<string> = new Set([
  'process.env',
  'setTimeout',
  'setInterval',
  'performance.now',
  'Date.now',
  'new Date',
]);

/**
 * Endings whose words are settled, because logs, metrics and callers will meet them, before the feature that ends so. Each
 * leaves this list with its feature.
 */
export const reservedTerminations: ReadonlyMap<string, string> = new Map([
  ['denied', 'AuthorizationPolicy'],
  ['rate-limited', 'RateLimitPolicy'],
  ['fault-aborted', 'FaultPolicy'],
]);

/** Real time in unit tests: each of these waits for the machine, not for a length of time that somebody guessed. */
export const sleepHomes: readonly GlobalHome[] = [];
