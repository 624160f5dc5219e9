/**
 * V8 options a proxy is started with. The young generation is small: what a request allocates dies young, and each megabyte
 * is resident up to three times. `bin/weft.cjs` has the same, because it cannot read this file; a test holds both together.
 */
export const proxyV8Flags: readonly string[] = ['--max-semi-space-size=4'];
