import type { AuthorityMaterial } from '@weft/identity';
import { type KubeClient, SecretStore } from '@weft/kube';
import type { WebhookRootStore } from '../admission/webhook-identity.ts';

/** Names of the objects that the chart makes; the control plane writes their CA bundles and nothing else of them. */
const webhookConfigurations = [
  { plural: 'mutatingwebhookconfigurations', name: 'weft-injection' },
  { plural: 'validatingwebhookconfigurations', name: 'weft-validation' },
] as const;

const KEY = 'tls.key';
const CERTIFICATE = 'tls.crt';

interface Configuration {
  readonly metadata: { readonly resourceVersion?: string };
  readonly webhooks?: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
}

/** The root of the webhooks in a Secret, and its certificate in the webhook configurations. */
export class WebhookSecret implements WebhookRootStore {
  private readonly client: KubeClient;
  private readonly store: SecretStore;
  private version: string;

  constructor(client: KubeClient, namespace: string, name = 'weft-webhook') {
    this.client = client;
    this.store = new SecretStore(client, namespace, name);
    this.version = '';
  }

  async read(): Promise<AuthorityMaterial | undefined> {
    const found = await this.store.read();
    if (!found.ok) throw new Error(found.error.message);
    this.version = found.value?.version ?? '';
    const key = found.value?.files.get(KEY);
    const certificate = found.value?.files.get(CERTIFICATE);
    if (key === undefined || certificate === undefined) return undefined;
    return { keyPem: key.toString('utf8'), certificatePem: certificate.toString('utf8') };
  }

  async replace(_held: AuthorityMaterial | undefined, next: AuthorityMaterial): Promise<void> {
    const files = new Map([
      [KEY, Buffer.from(next.keyPem)],
      [CERTIFICATE, Buffer.from(next.certificatePem)],
    ]);
    // The version stands for what was held: a write over what another replica wrote in between is refused.
    const written =
      this.version === '' ? await this.store.create(files) : await this.store.replace(files, this.version);
    if (!written.ok && written.error.code !== 'conflict') throw new Error(written.error.message);
  }

  async publish(bundlePem: string): Promise<void> {
    const caBundle = Buffer.from(bundlePem).toString('base64');
    for (const { plural, name } of webhookConfigurations) {
      const path = `/apis/admissionregistration.k8s.io/v1/${plural}/${name}`;
      const got = await this.client.get(path);
      if (!got.ok) {
        // Whoever installed without webhooks wants none.
        if (got.error.code === 'not-found') continue;
        throw new Error(got.error.message);
      }
      const before = got.value as Configuration;
      const webhooks = before.webhooks ?? [];
      if (webhooks.every(({ clientConfig }) => clientConfig.caBundle === caBundle)) continue;
      const body = {
        ...before,
        webhooks: webhooks.map((webhook) => ({
          ...webhook,
          clientConfig: { ...webhook.clientConfig, caBundle },
        })),
      };
      const put = await this.client.request({ method: 'PUT', path, body });
      if (!put.ok && put.error.code !== 'conflict') throw new Error(put.error.message);
    }
  }
}
