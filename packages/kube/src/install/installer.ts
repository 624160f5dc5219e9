import type { KubeClient } from '../client/kube-client.ts';
import type { KubeFault } from '../client/kube-fault.ts';
import type { KubeObject } from './kube-object.ts';
import { placeOf } from './object-place.ts';

/** What became of one object. */
export interface ObjectOutcome {
  readonly object: KubeObject;
  readonly done: 'applied' | 'deleted' | 'absent' | 'failed';
  readonly fault: KubeFault | undefined;
}

const APPLY = 'application/apply-patch+yaml';

/** Server-side applies objects in order, and stops at the first that fails. */
export async function applyObjects(client: KubeClient, objects: readonly KubeObject[]): Promise<ObjectOutcome[]> {
  const outcomes: ObjectOutcome[] = [];
  for (const object of objects) {
    const path = `${placeOf(object)}?fieldManager=weft-install&force=true&fieldValidation=Strict`;
    const applied = await client.request({ method: 'PATCH', path, contentType: APPLY, body: object });
    const fault = applied.ok ? undefined : applied.error;
    outcomes.push({ object, done: fault === undefined ? 'applied' : 'failed', fault });
    if (fault !== undefined) break;
  }
  return outcomes;
}

/** Deletes objects in order; what is not there is no fault. */
export async function deleteObjects(client: KubeClient, objects: readonly KubeObject[]): Promise<ObjectOutcome[]> {
  const outcomes: ObjectOutcome[] = [];
  for (const object of objects) {
    const deleted = await client.request({ method: 'DELETE', path: placeOf(object) });
    const fault = deleted.ok || deleted.error.code === 'not-found' ? undefined : deleted.error;
    const done = fault !== undefined ? 'failed' : deleted.ok ? 'deleted' : 'absent';
    outcomes.push({ object, done, fault });
  }
  return outcomes;
}

/** Counts that replicas of earlier versions left behind. */
export async function deleteCounts(client: KubeClient, namespace: string): Promise<KubeFault | undefined> {
  const path = `/api/v1/namespaces/${namespace}/configmaps?labelSelector=${encodeURIComponent('weft.dev/counts=true')}`;
  const deleted = await client.request({ method: 'DELETE', path });
  return deleted.ok ? undefined : deleted.error;
}

/** What the control plane makes in its namespace while it runs. */
export function madeAtRuntime(namespace: string): KubeObject[] {
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'weft-root', namespace } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'weft-webhook', namespace } },
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'weft-control', namespace } },
    // Whichever of them the server has.
    ...['v1', 'v1beta1', 'v1alpha1'].map((version) => ({
      apiVersion: `certificates.k8s.io/${version}`,
      kind: 'ClusterTrustBundle',
      metadata: { name: 'weft-mesh' },
    })),
  ];
}

/** `namespace/name` of pods that carry a container of this name; at most `limit`. */
export async function podsWith(client: KubeClient, container: string, limit: number): Promise<string[] | KubeFault> {
  const found: string[] = [];
  let from = '';
  do {
    const page = from === '' ? '' : `&continue=${encodeURIComponent(from)}`;
    const got = await client.get(`/api/v1/pods?limit=500${page}`);
    if (!got.ok) return got.error;
    const { items = [], metadata } = got.value as {
      readonly items?: readonly (KubeObject & {
        readonly spec?: { readonly initContainers?: readonly { readonly name: string }[] };
      })[];
      readonly metadata?: { readonly continue?: string };
    };
    for (const { metadata: own, spec } of items) {
      if (spec?.initContainers?.some(({ name }) => name === container) !== true) continue;
      found.push(`${own.namespace ?? ''}/${own.name}`);
      if (found.length >= limit) return found;
    }
    from = metadata?.continue ?? '';
  } while (from !== '');
  return found;
}
