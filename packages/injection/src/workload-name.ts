import { type JsonMap, mapOf, mapsOf, textOf } from './json-map.ts';

/**
 * The name people know a pod's workload by: its Deployment, StatefulSet, DaemonSet or CronJob, and its own name when it has
 * no owner. `owner` wins where a template is read before any pod exists.
 */
export function workloadName(metadata: JsonMap, owner: string): string {
  if (owner !== '') return owner;
  const controller = mapsOf(metadata['ownerReferences']).find((reference) => reference['controller'] === true);
  const name = textOf(controller?.['name']);
  if (controller?.['kind'] === 'ReplicaSet') {
    const hash = textOf(mapOf(metadata['labels'])['pod-template-hash']);
    return hash !== '' && name.endsWith(`-${hash}`) ? name.slice(0, -hash.length - 1) : name;
  }
  // A CronJob names its jobs by the minute they are for.
  if (controller?.['kind'] === 'Job') return name.replace(/-[0-9]{8,11}$/, '');
  return name || textOf(metadata['name']) || textOf(metadata['generateName']).replace(/-$/, '') || 'pod';
}
