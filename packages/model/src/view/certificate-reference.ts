import type { GatewayListenerSpec } from '../kinds/gateway.ts';
import type { ObjectOf } from '../kinds/kind-table.ts';
import type { Model } from './model.ts';

/** Why a listener does not get a certificate that it names; the words are those of its condition `ResolvedRefs`. */
export interface CertificateFault {
  readonly reason: 'InvalidCertificateRef' | 'RefNotPermitted';
  readonly message: string;
}

/**
 * What is wrong with the certificates of a listener, as far as it can be told from here: where nobody reads Secrets the gateway
 * has them in a folder of its own, and whether they exist is not known. Undefined when nothing is.
 */
export function certificateFault(
  model: Model,
  gateway: ObjectOf<'Gateway'>,
  listener: GatewayListenerSpec,
): CertificateFault | undefined {
  for (const { group, kind, name, namespace } of listener.tls?.certificateRefs ?? []) {
    if (!isSecret(group, kind)) {
      return { reason: 'InvalidCertificateRef', message: `${kind} ${name} holds no certificate, a Secret does` };
    }
    if (!mayRefer(model, gateway, namespace, name)) {
      const message = `no ReferenceGrant in ${namespace} lets Gateways of ${gateway.metadata.namespace} refer to Secret ${name}`;
      return { reason: 'RefNotPermitted', message };
    }
    const fault = model.certificateFaults.get(`${namespace ?? gateway.metadata.namespace}/${name}`);
    if (fault !== undefined) return { reason: 'InvalidCertificateRef', message: fault };
  }
  return undefined;
}

/** Names (`namespace/name`) of the Secrets that the listener may use, in its order. */
export function permittedCertificates(
  model: Model,
  gateway: ObjectOf<'Gateway'>,
  listener: GatewayListenerSpec,
): readonly string[] {
  const names: string[] = [];
  for (const { group, kind, name, namespace } of listener.tls?.certificateRefs ?? []) {
    if (!isSecret(group, kind) || !mayRefer(model, gateway, namespace, name)) continue;
    names.push(`${namespace ?? gateway.metadata.namespace}/${name}`);
  }
  return names;
}

function isSecret(group = '', kind = 'Secret'): boolean {
  return group === '' && kind === 'Secret';
}

/** Within a namespace always; across by ReferenceGrant. */
function mayRefer(model: Model, gateway: ObjectOf<'Gateway'>, namespace: string | undefined, name: string): boolean {
  const from = gateway.metadata.namespace;
  if (namespace === undefined || namespace === from) return true;
  for (const { spec } of model.pick('ReferenceGrant', model.grantsByNamespace.get(namespace))) {
    const who = spec.from.some(
      (each) => each.group === 'gateway.networking.k8s.io' && each.kind === 'Gateway' && each.namespace === from,
    );
    const what = spec.to.some(
      (each) => each.group === '' && each.kind === 'Secret' && (each.name === undefined || each.name === name),
    );
    if (who && what) return true;
  }
  return false;
}
