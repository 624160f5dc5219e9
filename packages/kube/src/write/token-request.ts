import { type Result, ok } from '@weft/kernel';
import type { KubeClient } from '../client/kube-client.ts';
import type { KubeFault } from '../client/kube-fault.ts';

/** A short token of a service account. */
export interface AskedToken {
  readonly namespace: string;
  readonly account: string;
  /** For whom it is good; nobody else takes it. */
  readonly audience: string;
  /** Seconds, at least 600. */
  readonly lifetimeS: number;
}

/** Asks for one, as `kubectl create token` does. */
export async function requestToken(
  client: KubeClient,
  { namespace, account, audience, lifetimeS }: AskedToken,
): Promise<Result<string, KubeFault>> {
  const made = await client.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: { audiences: [audience], expirationSeconds: lifetimeS },
    },
  });
  if (!made.ok) return made;
  return ok((made.value as { readonly status?: { readonly token?: string } }).status?.token ?? '');
}
