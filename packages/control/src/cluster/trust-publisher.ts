import { type KubeClient, type ServedKind, discover, objectPath } from '@weft/kube';
import type { Log } from '../log.ts';

export interface TrustPublisherOptions {
  readonly client: KubeClient;
  readonly log: Log;
  /** The roots of the mesh as PEM, as they are now. */
  readonly rootsPem: () => string;
}

/** Bound to no signer: whoever mounts it names it. */
const TRUST_BUNDLE = 'weft-mesh';

const wanted = [{ group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', versions: ['v1', 'v1beta1', 'v1alpha1'] }];

/**
 * Publishes the roots of the mesh as a ClusterTrustBundle where the API server has that kind, so that pods without a sidecar can
 * mount them (`projected: {sources: [{clusterTrustBundle: {name: weft-mesh, path: roots.pem}}]}`). Elsewhere nothing is said.
 */
export class TrustPublisher {
  private readonly options: TrustPublisherOptions;
  private published: string;
  private fault: string;
  private running: Promise<void>;

  constructor(options: TrustPublisherOptions) {
    this.options = options;
    this.published = '';
    this.fault = '';
    this.running = Promise.resolve();
  }

  /** What stands there may have been changed: it is written again the next time. */
  forget(): void {
    this.published = '';
  }

  /** Writes the roots when they differ from those written last; one write at a time. Never rejects. */
  publish(): Promise<void> {
    this.running = this.running.then(() => this.write());
    return this.running;
  }

  private async write(): Promise<void> {
    const { client, rootsPem } = this.options;
    const pem = rootsPem();
    if (pem === this.published) return;
    const found = await discover(client, wanted);
    const kind = found.ok ? found.value.get('certificates.k8s.io/ClusterTrustBundle') : undefined;
    if (kind === undefined) return;
    const applied = await client.request({
      method: 'PATCH',
      path: `${objectPath(kind, '', TRUST_BUNDLE)}?fieldManager=weft&force=true`,
      contentType: 'application/apply-patch+yaml',
      body: bundleObject(kind, pem),
    });
    if (applied.ok) this.published = pem;
    this.say(applied.ok ? '' : applied.error.message);
  }

  private say(fault: string): void {
    if (fault !== '' && fault !== this.fault) {
      this.options.log.warn(`the roots are not published as ClusterTrustBundle ${TRUST_BUNDLE}: ${fault}`);
    }
    this.fault = fault;
  }
}

function bundleObject({ group, version, kind }: ServedKind, pem: string): object {
  return {
    apiVersion: `${group}/${version}`,
    kind,
    metadata: { name: TRUST_BUNDLE, labels: { 'app.kubernetes.io/part-of': 'weft' } },
    spec: { trustBundle: pem },
  };
}
