import { type ObjectRef, type Problem, problemOf } from '@weft/model';
import { sidecarPorts, sidecarUser } from './injection-settings.ts';
import { type JsonMap, mapOf, mapsOf, textOf } from './json-map.ts';

/** Label of a namespace (`enabled`) and of a pod (`enabled`, `disabled`); the pod's wins. */
export const injectLabel = 'weft.dev/inject';

/** Whether a pod is to have a sidecar. */
export type InjectionVerdict =
  | { readonly kind: 'inject' }
  /** Left as it is; `message` is for people, and worth telling them only when `notable`. */
  | { readonly kind: 'leave'; readonly reason: LeaveReason; readonly message: string; readonly notable: boolean }
  /** It asked for a sidecar that it cannot have. */
  | { readonly kind: 'refuse'; readonly problems: readonly Problem[] };

export type LeaveReason = 'not-asked' | 'opted-out' | 'host-network' | 'windows';

/** Containers that capture a pod's traffic for another mesh; with both, neither works. */
const otherMeshes = new Set([
  'istio-proxy',
  'istio-init',
  'linkerd-proxy',
  'linkerd-init',
  'kuma-sidecar',
  'consul-dataplane',
]);

/** Decides by the labels of pod and namespace, and by what the pod is. */
export function judgePod(pod: JsonMap, namespaceLabels: JsonMap, object: ObjectRef): InjectionVerdict {
  const metadata = mapOf(pod['metadata']);
  const spec = mapOf(pod['spec']);
  const own = mapOf(metadata['labels'])[injectLabel];
  if (own === 'disabled') return leave('opted-out', `the pod's label says ${injectLabel}: disabled`, false);
  if (own !== undefined && own !== 'enabled') {
    const message = `${JSON.stringify(textOf(own).slice(0, 80))} is not understood`;
    const path = ['metadata', 'labels', injectLabel];
    return {
      kind: 'refuse',
      problems: [problemOf('bad-value', { message, expected: 'enabled or disabled' }, path, object, undefined)],
    };
  }
  if (own !== 'enabled' && namespaceLabels[injectLabel] !== 'enabled') {
    return leave('not-asked', `neither the pod nor its namespace says ${injectLabel}: enabled`, false);
  }
  if (spec['hostNetwork'] === true) {
    return leave(
      'host-network',
      "the pod shares the network of its node, where redirecting would take every other program's traffic",
      true,
    );
  }
  if (mapOf(spec['os'])['name'] === 'windows') return leave('windows', 'there is no sidecar for Windows', true);
  const problems = conflicts(spec, object);
  return problems.length > 0 ? { kind: 'refuse', problems } : { kind: 'inject' };
}

function leave(reason: LeaveReason, message: string, notable: boolean): InjectionVerdict {
  return { kind: 'leave', reason, message, notable };
}

function conflicts(spec: JsonMap, object: ObjectRef): Problem[] {
  const problems: Problem[] = [];
  const add = (path: (string | number)[], message: string, fix: string): void => {
    problems.push(problemOf('conflicting-fields', { message, fix }, ['spec', ...path], object, undefined));
  };
  const taken = new Set<number>(Object.values(sidecarPorts));
  if (mapOf(spec['securityContext'])['runAsUser'] === sidecarUser) {
    add(['securityContext', 'runAsUser'], `user ${sidecarUser} is the sidecar's`, 'Give the application another user');
  }
  for (const list of ['initContainers', 'containers']) {
    mapsOf(spec[list]).forEach((container, index) => {
      const name = textOf(container['name']);
      if (isOurs(container)) {
        // An earlier injection put ours among the init containers, and only those are replaced.
        if (list === 'containers')
          add([list, index, 'name'], `${name} is a name of the sidecar`, 'Rename the container');
        return;
      }
      if (otherMeshes.has(name)) {
        add(
          [list, index, 'name'],
          `${name} is a container of another mesh`,
          'Leave the pod to one mesh: remove its label of the other one',
        );
      }
      if (mapOf(container['securityContext'])['runAsUser'] === sidecarUser) {
        add(
          [list, index, 'securityContext', 'runAsUser'],
          `user ${sidecarUser} is the sidecar's`,
          'Give the application another user',
        );
      }
      mapsOf(container['ports']).forEach((port, at) => {
        const number = port['containerPort'];
        if (typeof number !== 'number' || !taken.has(number)) return;
        add(
          [list, index, 'ports', at, 'containerPort'],
          `port ${number} is the sidecar's`,
          'Have the application listen on another port',
        );
      });
    });
  }
  return problems;
}

export const sidecarContainer = 'weft-proxy';
export const captureContainer = 'weft-capture';

/** Containers of an earlier injection. */
export function isOurs(container: JsonMap): boolean {
  return container['name'] === sidecarContainer || container['name'] === captureContainer;
}
