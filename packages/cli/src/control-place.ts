/** Which control plane a command asks: that of this machine, over its socket, or that of a cluster, through its API server. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { defaultAdminSocket } from './default-place.ts';

/** As typed. */
export interface ControlFlags {
  readonly adminSocket: string;
  readonly kubeconfig: string;
  readonly context: string;
  readonly controlNamespace: string;
}

export type ControlPlace =
  | { readonly type: 'socket'; readonly socket: string }
  | { readonly type: 'cluster'; readonly kubeconfig: string; readonly context: string; readonly namespace: string };

type Environment = Readonly<Record<string, string | undefined>>;

/** Adds the flags of every command that asks a control plane. */
export function withControlFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--admin-socket <path>', 'socket of a control plane of this machine')
        .env('WEFT_CONTROL_SOCKET')
        .default(''),
    )
    .option('--context <name>', 'ask the control plane of a cluster: context of the kubeconfig', '')
    .option('--kubeconfig <path>', 'the same: which kubeconfig (default: KUBECONFIG or ~/.kube/config)', '')
    .option('--control-namespace <name>', 'namespace of the control plane there', 'weft-system');
}

/** What was typed decides; else a control plane that runs here; else a cluster, where a kubeconfig is. */
export function chooseControl(flags: ControlFlags, env: Environment): ControlPlace {
  const { adminSocket, kubeconfig, context, controlNamespace: namespace } = flags;
  const cluster = { type: 'cluster', kubeconfig, context, namespace } as const;
  if (kubeconfig !== '' || context !== '') return cluster;
  if (adminSocket !== '') return { type: 'socket', socket: adminSocket };
  const socket = defaultAdminSocket(env);
  if (existsSync(socket)) return { type: 'socket', socket };
  const known = env['KUBECONFIG'] ?? '';
  const isThere = known !== '' || existsSync(join(env['HOME'] ?? homedir(), '.kube', 'config'));
  return isThere ? cluster : { type: 'socket', socket };
}
