import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@weft/kernel';
import type { ClusterAccess, KubeClient } from '@weft/kube';
import type { Command } from 'commander';
import { CommandFault, exitCodes } from '../exit-code.ts';

export interface ClusterFlags {
  readonly kubeconfig: string;
  readonly context: string;
  readonly namespace: string;
}

/** Adds the flags by which commands find a cluster. */
export function withClusterFlags(command: Command): Command {
  return command
    .option(
      '--kubeconfig <path>',
      'how to reach the cluster (default: KUBECONFIG, ~/.kube/config, or the pod it runs in)',
      '',
    )
    .option('--context <name>', 'context of the kubeconfig (default: its current one)', '')
    .option('-n, --namespace <name>', 'namespace of the control plane', 'weft-system');
}

export async function accessOf({
  kubeconfig,
  context,
}: Pick<ClusterFlags, 'kubeconfig' | 'context'>): Promise<ClusterAccess> {
  const { inClusterAccess, kubeconfigAccess } = await import('@weft/kube');
  const { KUBECONFIG = '', KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  const isPod = kubeconfig === '' && KUBECONFIG === '' && host !== '';
  const path = kubeconfig !== '' ? kubeconfig : KUBECONFIG || join(homedir(), '.kube', 'config');
  const access = isPod
    ? inClusterAccess(host, port, systemClock)
    : kubeconfigAccess(path, systemClock, context, process.env);
  if (!access.ok) throw new CommandFault(exitCodes.unreachable, access.error);
  return access.value;
}

/** Runs `use` with a client, which is closed afterwards. */
export async function useClient<T>(flags: ClusterFlags, use: (client: KubeClient) => Promise<T>): Promise<T> {
  const access = await accessOf(flags);
  const { KubeClient: Client } = await import('@weft/kube');
  const client = new Client(access);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
