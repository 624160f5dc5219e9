/** The command line of Weft, for programs that start its processes. */
import { fileURLToPath } from 'node:url';

export { type ExitCode, exitCodes } from './exit-code.ts';
export type { ReadyLine } from './proxy/ready-line.ts';
export { proxyV8Flags } from './v8-flags.ts';

/** What Node runs to be `weft`: `node [...proxyV8Flags] weftProgram proxy …`. */
export const weftProgram: string = fileURLToPath(new URL('main.ts', import.meta.url));
