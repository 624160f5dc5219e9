import { mkdirSync, lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CommandFault, exitCodes } from './exit-code.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a control plane keeps its authority (XDG Base Directory: state that is to outlive a restart). */
export function defaultStateFolder(env: Environment): string {
  return join(absolute(env['XDG_STATE_HOME']) ?? join(homedir(), '.local', 'state'), 'weft');
}

/** Where the control plane of this user and machine listens for people. Short: a UNIX socket's path has about 100 bytes. */
export function defaultAdminSocket(env: Environment): string {
  const runtime = absolute(env['XDG_RUNTIME_DIR']);
  return join(runtime === undefined ? `/tmp/weft-${process.getuid?.() ?? 0}` : join(runtime, 'weft'), 'control.sock');
}

/** Makes the folder of a socket, mode 0700, or checks the one that stands: in /tmp anybody could have made it. */
export function makeSocketFolder(socket: string): void {
  const folder = dirname(socket);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandFault(exitCodes.unwell, `${folder} cannot be made (${code}); give another with --admin-socket`);
  }
  const fault = folderFault(folder);
  if (fault !== '') throw new CommandFault(exitCodes.unwell, `${fault}; give another with --admin-socket`);
}

/** Throws a `CommandFault` when nobody can be behind the socket, or somebody else might be. */
export function checkSocket(socket: string): void {
  const own = process.getuid?.();
  let uid: number;
  try {
    const found = lstatSync(socket);
    if (!found.isSocket()) throw new CommandFault(exitCodes.usage, `${socket} is not a socket; check --admin-socket`);
    uid = found.uid;
  } catch (error) {
    if (error instanceof CommandFault) throw error;
    throw noControlPlane(socket);
  }
  if (own !== undefined && uid !== own && own !== 0) {
    throw new CommandFault(exitCodes.unreachable, `${socket} belongs to user ${uid}; only that user may ask it`);
  }
}

export function noControlPlane(socket: string): CommandFault {
  return new CommandFault(
    exitCodes.unreachable,
    `no control plane answers on ${socket}; start one with: weft control --config FOLDER (or name its socket with --admin-socket)`,
  );
}

function folderFault(folder: string): string {
  const found = lstatSync(folder);
  const own = process.getuid?.();
  if (!found.isDirectory()) return `${folder} is not a folder`;
  if (own !== undefined && found.uid !== own) return `${folder} belongs to user ${found.uid}`;
  if (own !== undefined && (found.mode & 0o022) !== 0) return `${folder} may be written by others`;
  return '';
}

/** Relative values of the XDG variables are to be ignored, says the specification. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') === true ? path : undefined;
}
