/** The command line of Weft, for programs that start its processes. */
export { type ExitCode, exitCodes } from './exit-code.ts';
export type { ReadyLine } from './proxy/ready-line.ts';
export { proxyEnvironment, proxyV8Flags } from './node-start.ts';
export { weftProgram } from './weft-program.ts';
