/**
 * Options of V8 and of its threads that a proxy is started with. The young generation is small: what a request allocates dies
 * young, each megabyte is resident up to three times, and what a new configuration leaves alive in it is copied while requests
 * wait. One helper thread instead of four: a sidecar has about one core, and collectors beside it take their turns from the
 * requests. Both together took the longest stall under a large configuration from 34 to 16 ms at equal cost per request.
 * `bin/weft.cjs` has the same, because it cannot read this file; a test holds both together.
 */
export const proxyV8Flags: readonly string[] = ['--max-semi-space-size=1', '--v8-pool-size=1'];

/**
 * Variables for glibc that a proxy is started with, where nobody has set others. Each thread beside the first has a heap of its
 * own otherwise, and what is freed there is of no use to the one that serves: in one heap an idle sidecar is 2.6 MB smaller, and
 * a thousand idle mTLS connections 20 MB, at equal cost per request. Threads that serve side by side (`--workers`) would wait for
 * each other in it, so `bin/weft.cjs` leaves it away for them.
 */
export const proxyEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };
