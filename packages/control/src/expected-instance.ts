/**
 * What an injected pod stands for by what the API server says of it. Every replica of the control plane sees every pod, and only
 * one has its sidecar's stream: so that a pod is in the mesh, and under which identity, follows from the pod. A label or a
 * container that somebody forged harms its own pod only: callers ask for the identity of the pod's service account, which
 * no other pod has.
 */
import { workloadId } from '@weft/identity';
import { hasPort } from '@weft/kernel';
import type { PodFacts } from '@weft/kube';
import type { InstancePort, Model, WorkloadInstance } from '@weft/model';
import { withServicePorts } from './workload-admission.ts';

/** Pods as a control plane knows them, by `namespace/name`. */
export interface PodSource {
  get(workload: string): PodFacts | undefined;
  keys(): Iterable<string>;
}

/** Undefined for a pod whose traffic no sidecar captures: of such a one only its sidecar can say where it is reached. */
export function expectInstance(pod: PodFacts, trustDomain: string, model: Model): WorkloadInstance | undefined {
  const { namespace, name, serviceAccount, address, sidecar } = pod;
  if (sidecar?.isCaptured !== true || address === '' || pod.isOver || pod.hostNetwork) return undefined;
  const identity = workloadId(trustDomain, namespace, serviceAccount);
  if (identity === undefined) return undefined;
  const workload = `${namespace}/${name}`;
  const declared = sidecar.ports.map((port): InstancePort => ({
    name: port.name,
    applicationPort: port.port,
    meshPort: port.port,
  }));
  return {
    workload,
    namespace,
    serviceAccount,
    labels: {},
    zone: '',
    weight: 100,
    ports: reachedPorts(withServicePorts(declared, workload, model), pod),
    address,
    identity,
    draining: pod.isTerminating || sidecar.isDown,
  };
}

/** What a pod's sidecar says of itself, held to the pod; undefined when it speaks of another pod of the same name. */
export function heldToPod(said: WorkloadInstance, pod: PodFacts): WorkloadInstance | undefined {
  if (said.address !== pod.address || said.serviceAccount !== pod.serviceAccount) return undefined;
  return { ...said, ports: reachedPorts(said.ports, pod), draining: said.draining || pod.isTerminating };
}

/** Ports that are not led through the sidecar are reached without it. */
function reachedPorts(ports: readonly InstancePort[], { sidecar }: PodFacts): readonly InstancePort[] {
  return ports.filter(({ applicationPort }) => sidecar === undefined || !hasPort(sidecar.bare, applicationPort));
}
