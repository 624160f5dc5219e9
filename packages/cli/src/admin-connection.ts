import type { AdminClient, CallFault } from '@weft/wire';
import type { Result } from '@weft/kernel';
import { Option } from 'commander';
import { checkSocket, defaultAdminSocket, noControlPlane } from './default-place.ts';
import { CommandFault, type ExitCode, exitCodes } from './exit-code.ts';

/** The flag of every command that asks the control plane. */
export function adminSocketOption(): Option {
  return new Option('--admin-socket <path>', 'socket of the control plane')
    .env('WEFT_CONTROL_SOCKET')
    .default(defaultAdminSocket(process.env));
}

/** Calls `ask` with the control plane behind the socket and closes the connection after. */
export async function withControlPlane<T>(socket: string, ask: (admin: AdminClient) => Promise<T>): Promise<T> {
  checkSocket(socket);
  const { AdminClient } = await import('@weft/wire');
  const admin = new AdminClient(socket);
  try {
    return await ask(admin);
  } finally {
    admin.close();
  }
}

/** The answer, or the fault as the one line that ends the command. */
export function answerOf<T>(result: Result<T, CallFault>, socket: string): T {
  if (result.ok) return result.value;
  const { code, message } = result.error;
  // grpc-js says it of a socket that nobody serves any more; the control plane of a proxy it cannot reach.
  if (code === 'Unavailable' && /connect|connection/i.test(message)) throw noControlPlane(socket);
  throw new CommandFault(exitCodeOf(code), message);
}

function exitCodeOf(code: CallFault['code']): ExitCode {
  if (code === 'Unavailable' || code === 'DeadlineExceeded') return exitCodes.unreachable;
  return code === 'InvalidArgument' ? exitCodes.usage : exitCodes.unwell;
}
