import { type JsonMap, isMap, mapOf, textOf } from './json-map.ts';

/** A pod inside of an object: the object itself, or the template it makes pods from. */
export interface PodTemplate {
  readonly path: readonly (string | number)[];
  readonly pod: JsonMap;
  /** Name of the workload; empty for a pod, which says it itself. */
  readonly owner: string;
  readonly namespace: string;
}

const templatePaths: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ['template'],
  Deployment: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

/** The pods an object holds or makes: none for most kinds, several for a `List`. */
export function podTemplates(object: unknown, at: readonly (string | number)[] = []): readonly PodTemplate[] {
  if (!isMap(object)) return [];
  const kind = textOf(object['kind']);
  // A list in a list is no object of Kubernetes.
  if (kind === 'List' && at.length === 0 && Array.isArray(object['items'])) {
    return object['items'].flatMap((item: unknown, index) => podTemplates(item, ['items', index]));
  }
  const path = Object.hasOwn(templatePaths, kind) ? templatePaths[kind]! : undefined;
  if (path === undefined) return [];
  let pod: unknown = object;
  for (const step of path) pod = mapOf(pod)[step];
  if (!isMap(pod)) return [];
  const metadata = mapOf(object['metadata']);
  const owner = path.length === 0 ? '' : textOf(metadata['name']);
  return [{ path: [...at, ...path], pod, owner, namespace: textOf(metadata['namespace']) }];
}
