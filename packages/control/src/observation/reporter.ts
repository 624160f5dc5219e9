import type { Hello } from '@weft/wire';
import type { Reporter } from './traffic-window.ts';

/** `namespace/name` of what a proxy stands beside: its service, its workload, or the Gateway it serves. */
export function workloadOf({ workload, gateway }: Hello): string {
  if (gateway !== '') return gateway;
  return `${workload.namespace}/${workload.service === '' ? workload.name : workload.service}`;
}

/** A proxy as the one who counts; `entry` is the key of its workload in the configuration, empty without one. */
export function reporterOf(proxy: string, hello: Hello, entry: string): Reporter {
  const { namespace, serviceAccount } = hello.workload;
  return {
    proxy,
    workload: workloadOf(hello),
    account: `${namespace}/${serviceAccount}`,
    gateway: hello.gateway !== '',
    entry,
  };
}
