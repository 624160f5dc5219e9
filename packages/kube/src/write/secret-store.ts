import { type Result, ok } from '@weft/kernel';
import type { KubeClient } from '../client/kube-client.ts';
import type { KubeFault } from '../client/kube-fault.ts';

/** What a Secret holds, and the version it has: a write with that version fails when somebody else wrote in between. */
export interface SecretContent {
  readonly version: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/** One Secret, shared by replicas. */
export class SecretStore {
  readonly namespace: string;
  readonly name: string;
  private readonly client: KubeClient;

  constructor(client: KubeClient, namespace: string, name: string) {
    this.client = client;
    this.namespace = namespace;
    this.name = name;
  }

  /** Undefined when there is none. */
  async read(): Promise<Result<SecretContent | undefined, KubeFault>> {
    const got = await this.client.get(`${this.collection()}/${this.name}`);
    if (got.ok) return ok(contentOf(got.value));
    return got.error.code === 'not-found' ? ok(undefined) : got;
  }

  /** Fails with `conflict` when there is one already. */
  async create(files: ReadonlyMap<string, Uint8Array>): Promise<Result<SecretContent, KubeFault>> {
    const made = await this.client.request({ method: 'POST', path: this.collection(), body: this.body(files, '') });
    return made.ok ? ok(contentOf(made.value)) : made;
  }

  /** Fails with `conflict` when the Secret is no longer what was read. */
  async replace(files: ReadonlyMap<string, Uint8Array>, version: string): Promise<Result<SecretContent, KubeFault>> {
    const path = `${this.collection()}/${this.name}`;
    const put = await this.client.request({ method: 'PUT', path, body: this.body(files, version) });
    return put.ok ? ok(contentOf(put.value)) : put;
  }

  private body(files: ReadonlyMap<string, Uint8Array>, version: string): unknown {
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: this.name,
        namespace: this.namespace,
        labels: { 'app.kubernetes.io/part-of': 'weft' },
        ...(version === '' ? {} : { resourceVersion: version }),
      },
      type: 'Opaque',
      data: Object.fromEntries(Array.from(files, ([name, bytes]) => [name, Buffer.from(bytes).toString('base64')])),
    };
  }

  private collection(): string {
    return `/api/v1/namespaces/${this.namespace}/secrets`;
  }
}

function contentOf(value: unknown): SecretContent {
  const { metadata, data } = value as {
    readonly metadata?: { readonly resourceVersion?: string };
    readonly data?: Readonly<Record<string, string>>;
  };
  const files = new Map<string, Buffer>();
  for (const [name, text] of Object.entries(data ?? {})) files.set(name, Buffer.from(text, 'base64'));
  return { version: metadata?.resourceVersion ?? '', files };
}
