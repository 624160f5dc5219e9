import { AdminClient } from '@weft/wire';
import { answerOf } from '../admin-connection.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { type ClusterPlace, forwardFault, portOf, reachCluster } from './cluster-control.ts';
import { ForwardListener } from './forward-listener.ts';

/** Carries the dashboard of a cluster to a loopback port until `ended`; `ready` is told where, and with which token. */
export async function carryDashboard(
  place: ClusterPlace,
  port: number,
  ended: Promise<void>,
  ready: (address: string, token: string) => Promise<void>,
): Promise<void> {
  const { access, pods, token } = await reachCluster(place, 'requests').catch((error: unknown) => {
    // An account that sees less may do: the pages show what its roles let them.
    if (!(error instanceof CommandFault)) throw error;
    return reachCluster(place, 'calm');
  });
  // The token of a page is known to the control plane that gave it.
  const pod = pods[0]!;
  const admin = await ForwardListener.onSocket(access, portOf(place, pod));
  if (!admin.ok) throw forwardFault([admin], place);
  const client = new AdminClient(admin.value.path, token);
  let dashboard: { readonly address: string; readonly token: string };
  try {
    dashboard = answerOf(await client.getDashboard());
  } finally {
    client.close();
    await admin.value.close();
  }
  const served = Number(new URL(dashboard.address).port);
  const pages = await ForwardListener.onPort(access, portOf(place, pod, served), port).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandFault(
      exitCodes.unwell,
      `port ${port} here cannot be taken (${code}); give another with --local-port`,
    );
  });
  if (!pages.ok) throw forwardFault([pages], place);
  try {
    await ready(`http://127.0.0.1:${pages.value.port}`, dashboard.token);
    await ended;
  } finally {
    await pages.value.close();
  }
}
