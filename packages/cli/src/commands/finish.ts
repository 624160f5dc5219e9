import type { ExitCode } from '../exit-code.ts';

/** How a command tells what it ended with. */
export type Finish = (code: ExitCode) => void;
