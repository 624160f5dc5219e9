import { ControlStartError } from './control-options.ts';

/** Why a port could not be opened, as one line that names the flag it was given with. */
export function listenError(error: unknown, host: string, port: number, flag: string): ControlStartError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new ControlStartError(
      `port ${port} on ${host} is taken; stop what listens there or give another with ${flag}`,
    );
  }
  if (code === 'EACCES')
    return new ControlStartError(`port ${port} on ${host} needs a privilege; give one above 1023 with ${flag}`);
  return new ControlStartError(`cannot listen on ${host}:${port}: ${message}`);
}
