import type { KubeObject } from './kube-object.ts';

/** Plurals that are not the kind and an `s`. */
const plurals: Readonly<Record<string, string>> = {
  NetworkPolicy: 'networkpolicies',
  GatewayClass: 'gatewayclasses',
};

/** Where an object of an installation is. */
export function placeOf({ apiVersion, kind, metadata: { name, namespace } }: KubeObject): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${base}${place}/${plurals[kind] ?? `${kind.toLowerCase()}s`}/${name}`;
}
