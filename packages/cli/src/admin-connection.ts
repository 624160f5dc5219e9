import type { AdminClient, CallFault } from '@weft/wire';
import type { Result } from '@weft/kernel';
import { Option } from 'commander';
import { type ControlAdmin, type Sight, Unanswered } from './control-admin.ts';
import { type ControlFlags, chooseControl } from './control-place.ts';
import { checkSocket, defaultAdminSocket, noControlPlane } from './default-place.ts';
import { CommandFault, type ExitCode, exitCodes } from './exit-code.ts';

/** The flag of commands that work with the control plane of this machine only. */
export function adminSocketOption(): Option {
  return new Option('--admin-socket <path>', 'socket of the control plane')
    .env('WEFT_CONTROL_SOCKET')
    .default(defaultAdminSocket(process.env));
}

/** Calls `ask` with the control plane that the flags mean, and closes the connection after. */
export async function withControlPlane<T>(
  flags: ControlFlags,
  ask: (admin: ControlAdmin) => Promise<T>,
  sight: Sight = 'calm',
): Promise<T> {
  const place = chooseControl(flags, process.env);
  if (place.type === 'socket') return withLocalControl(place.socket, ask);
  const { withClusterControl } = await import('./cluster/cluster-control.ts');
  return withClusterControl(place, sight, ask);
}

/** The same for what only a control plane of this machine does. */
export async function withLocalControl<T>(socket: string, ask: (admin: AdminClient) => Promise<T>): Promise<T> {
  checkSocket(socket);
  const { AdminClient } = await import('@weft/wire');
  const admin = new AdminClient(socket);
  try {
    return await ask(admin);
  } catch (error) {
    // grpc-js says it of a socket that nobody serves any more.
    if (error instanceof Unanswered) throw noControlPlane(socket);
    throw error;
  } finally {
    admin.close();
  }
}

/** The answer, or the fault as the one line that ends the command. */
export function answerOf<T>(result: Result<T, CallFault>): T {
  if (result.ok) return result.value;
  const { code, message } = result.error;
  // That of the control plane of a proxy it cannot reach says nothing of a connection.
  if (code === 'Unavailable' && /connect|connection/i.test(message)) throw new Unanswered(message);
  throw new CommandFault(exitCodeOf(code), message);
}

function exitCodeOf(code: CallFault['code']): ExitCode {
  if (code === 'Unavailable' || code === 'DeadlineExceeded') return exitCodes.unreachable;
  return code === 'InvalidArgument' ? exitCodes.usage : exitCodes.unwell;
}
