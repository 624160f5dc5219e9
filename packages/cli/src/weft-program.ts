import { fileURLToPath } from 'node:url';

/** What Node runs to be `weft`: `node [...proxyV8Flags] weftProgram proxy …`. */
export const weftProgram: string = fileURLToPath(new URL('main.ts', import.meta.url));
