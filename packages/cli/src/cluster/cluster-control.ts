/**
 * The control plane of a cluster, asked from outside: a port of each of its pods, carried by the API server, and a token by
 * which the control plane learns whose question it is.
 */
import { type Result, systemClock } from '@weft/kernel';
import { ADMIN_AUDIENCE } from '@weft/control';
import { type ClusterAccess, KubeClient, type KubeFault, type PodPort, requestToken } from '@weft/kube';
import { AdminClient } from '@weft/wire';
import { type ControlAdmin, type Sight, Unanswered } from '../control-admin.ts';
import type { ControlPlace } from '../control-place.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { accessOf } from './cluster-access.ts';
import { probeControl } from './control-probe.ts';
import { ForwardListener } from './forward-listener.ts';

export type ClusterPlace = Extract<ControlPlace, { type: 'cluster' }>;

/** A cluster with its control planes found. */
export interface ReachedCluster {
  readonly access: ClusterAccess;
  /** Ready ones, by name; at least one. */
  readonly pods: readonly string[];
  /** What the control plane is shown, as it is now. */
  readonly token: () => string;
}

/** Loopback port of a control plane in a pod: only what stands in the pod, or comes by the API server, reaches it. */
const ADMIN_PORT = 15_013;

const SELECTOR = encodeURIComponent('app.kubernetes.io/name=weft-control');
/** The least that an API server gives. */
const TOKEN_S = 600;

/** Asks one control plane of a cluster, the first that answers: it asks the others itself. */
export async function withClusterControl<T>(
  place: ClusterPlace,
  sight: Sight,
  ask: (admin: ControlAdmin) => Promise<T>,
): Promise<T> {
  const { access, pods, token } = await reachCluster(place, sight);
  const faults: Result<unknown, KubeFault>[] = [];
  let silence = '';
  for (const pod of pods) {
    const opened = await ForwardListener.onSocket(access, portOf(place, pod));
    if (!opened.ok) {
      faults.push(opened);
      continue;
    }
    const admin = new AdminClient(opened.value.path, token);
    try {
      const probed = await probeControl(admin, pods.length);
      if (probed.isAlone) {
        process.stderr.write(`weft: ${pod} is of an older version and speaks of its own sidecars only\n`);
      }
      if (probed.silence === '') return await ask(admin);
      silence = probed.silence;
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      silence = error.message;
    } finally {
      admin.close();
      await opened.value.close();
    }
  }
  if (silence === '') throw forwardFault(faults, place);
  const where = `${place.namespace} of ${access.description}`;
  const message = `the control plane in ${where} does not answer on its port ${ADMIN_PORT}; is it of an older version? (${silence})`;
  throw new CommandFault(exitCodes.unreachable, message);
}

/** Finds the control planes, and something to show them. */
export async function reachCluster(place: ClusterPlace, sight: Sight): Promise<ReachedCluster> {
  const access = await accessOf(place);
  const client = new KubeClient(access);
  try {
    const pods = await readyPods(client, place, access);
    return { access, pods, token: await tokenFor(client, place, access, sight) };
  } finally {
    await client.close();
  }
}

export function portOf({ namespace }: ClusterPlace, pod: string, port: number = ADMIN_PORT): PodPort {
  return { namespace, pod, port };
}

/** The first of the faults, and what would help. */
export function forwardFault(opened: readonly Result<unknown, KubeFault>[], { namespace }: ClusterPlace): CommandFault {
  const fault = opened.flatMap((each) => (each.ok ? [] : [each.error]))[0];
  const hint = fault?.code === 'forbidden' ? `; the Role weft-viewer in ${namespace} allows it` : '';
  return new CommandFault(
    exitCodes.unreachable,
    `no way to the control plane: ${fault?.message ?? 'it is gone'}${hint}`,
  );
}

async function readyPods(client: KubeClient, { namespace }: ClusterPlace, access: ClusterAccess): Promise<string[]> {
  const got = await client.get(`/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?labelSelector=${SELECTOR}`);
  if (!got.ok) {
    const hint = got.error.code === 'forbidden' ? `; the Role weft-viewer in ${namespace} allows it` : '';
    throw new CommandFault(exitCodes.unreachable, `${got.error.message}${hint}`);
  }
  const { items = [] } = got.value as {
    readonly items?: readonly {
      readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
      readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
    }[];
  };
  const isReady = ({ status, metadata }: (typeof items)[number]): boolean =>
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true;
  const pods = items.filter(isReady).map(({ metadata }) => metadata.name);
  if (pods.length > 0) return pods.sort();
  const found = items.length === 0 ? 'none is there' : `${items.length} are there, none is ready`;
  throw new CommandFault(
    exitCodes.unreachable,
    `no control plane in namespace ${namespace} of ${access.description}: ${found}; weft check --cluster says more`,
  );
}

/**
 * A token that is good for nothing but this, of an account made for it. Who may not have one shows what the kubeconfig holds:
 * a bearer token, whose user the API server then names to the control plane.
 */
async function tokenFor(
  client: KubeClient,
  { namespace }: ClusterPlace,
  access: ClusterAccess,
  sight: Sight,
): Promise<() => string> {
  const account = sight === 'requests' ? 'weft-tap' : 'weft-viewer';
  const asked = { namespace, account, audience: ADMIN_AUDIENCE, lifetimeS: TOKEN_S };
  const made = await requestToken(client, asked);
  if (!made.ok) {
    if (access.token() !== '') return access.token;
    throw new CommandFault(
      exitCodes.unreachable,
      `the kubeconfig holds no bearer token, and one of the account ${namespace}/${account} is not given: ${made.error.message}; the right to create serviceaccounts/token of it is needed`,
    );
  }
  let token = made.value;
  let atMs = systemClock.nowMs();
  let asking = false;
  // A tap outlives it: the next one is fetched while this one still holds.
  return () => {
    if (!asking && systemClock.nowMs() - atMs > (TOKEN_S * 1000) / 2) {
      asking = true;
      const again = new KubeClient(access);
      void requestToken(again, asked).then((next) => {
        if (next.ok) [token, atMs] = [next.value, systemClock.nowMs()];
        asking = false;
        return again.close();
      });
    }
    return token;
  };
}
