/**
 * The Secrets that Gateways name: each watched by its name alone, judged, and given to the proxies of its Gateway. A Secret
 * that nobody may name (ReferenceGrant) is not even looked at.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { type Clock, type Random, type Result, type TimerWheel, fail, ok } from '@weft/kernel';
import { type KubeClient, KindWatch, type KubeFault, type RawObject } from '@weft/kube';
import { type Model, type ObjectKey, isOurGateway, permittedCertificates } from '@weft/model';
import type { EdgeCertificateMessage } from '@weft/wire';

export interface GatewaySecretsOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly model: Model;
  /** What may be said of these Gateways has changed: status, and what their proxies hold. */
  readonly changed: (gateways: readonly ObjectKey[]) => void;
}

interface Watched {
  readonly watch: KindWatch<SecretFiles>;
  /** The last good pair: it goes on while what came after is broken or gone. */
  pair: EdgeCertificateMessage | null;
  /** As it was when it was judged. */
  fault: string;
}

interface SecretFiles {
  readonly type: string;
  readonly chain: string;
  readonly key: string;
}

const MOST_PEM_BYTES = 128 * 1024;

export class GatewaySecrets {
  private readonly options: GatewaySecretsOptions;
  /** By `namespace/name`. */
  private readonly watched: Map<string, Watched>;
  /** Names by Gateway key, in the order of its listeners. */
  private wanted: ReadonlyMap<ObjectKey, readonly string[]>;
  private isStopped: boolean;

  constructor(options: GatewaySecretsOptions) {
    this.options = options;
    this.watched = new Map();
    this.wanted = new Map();
    this.isStopped = false;
  }

  /** Gateways, classes or grants have changed: begins to watch what is named now, and ends what is not. */
  refresh(): void {
    if (this.isStopped) return;
    const before = this.wanted;
    this.wanted = wantedBy(this.options.model);
    const names = new Set([...this.wanted.values()].flat());
    for (const [name, { watch }] of this.watched) {
      if (names.has(name)) continue;
      this.watched.delete(name);
      this.options.model.certificateFaults.delete(name);
      void watch.stop();
    }
    for (const name of names) if (!this.watched.has(name)) this.begin(name);
    const moved = [...this.wanted.keys()].filter((key) => String(before.get(key)) !== String(this.wanted.get(key)));
    if (moved.length > 0) this.options.changed(moved);
  }

  /** What the proxies of a Gateway (`namespace/name`) are to have. */
  certificatesOf(gateway: string): readonly EdgeCertificateMessage[] {
    const names = this.wanted.get(`Gateway/${gateway}` as ObjectKey) ?? [];
    return names.flatMap((name) => this.watched.get(name)?.pair ?? []);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(Array.from(this.watched.values(), ({ watch }) => watch.stop()));
    this.watched.clear();
  }

  private begin(name: string): void {
    const { client, clock, wheel, random } = this.options;
    const [namespace = '', secret = ''] = name.split('/');
    const kind = {
      path: `/api/v1/namespaces/${namespace}/secrets`,
      fieldSelector: `metadata.name=${secret}`,
      trim: secretFiles,
    };
    const watch = new KindWatch<SecretFiles>(
      client,
      kind,
      {
        changed: (_, files) => this.take(name, files),
        synced: () => {
          if (watch.size === 0) this.take(name, undefined);
        },
        troubled: (fault) => this.troubled(name, fault),
      },
      { clock, wheel, random },
    );
    this.watched.set(name, { watch, pair: null, fault: '' });
    watch.start();
  }

  private take(name: string, files: SecretFiles | undefined): void {
    const entry = this.watched.get(name);
    if (entry === undefined) return;
    const judged = files === undefined ? fail(`Secret ${name} does not exist`) : readPair(name, files);
    const before = entry.pair;
    if (judged.ok) entry.pair = judged.value;
    this.say(name, entry, judged.ok ? '' : judged.error, before !== entry.pair);
  }

  private troubled(name: string, { code, message }: KubeFault): void {
    const entry = this.watched.get(name);
    // A server that is away says nothing of the Secret.
    if (entry === undefined || (code !== 'forbidden' && code !== 'unauthorized')) return;
    const [namespace = '', secret = ''] = name.split('/');
    const fix = `add it to the chart's values: gatewayCertificates: {${namespace}: [${secret}]}`;
    this.say(name, entry, `Secret ${name} may not be read (${message}); ${fix}`, false);
  }

  private say(name: string, entry: Watched, fault: string, isNew: boolean): void {
    const { model, changed } = this.options;
    if (!isNew && entry.fault === fault) return;
    entry.fault = fault;
    if (fault === '') model.certificateFaults.delete(name);
    else model.certificateFaults.set(name, fault);
    changed([...this.wanted].flatMap(([gateway, names]) => (names.includes(name) ? [gateway] : [])));
  }
}

function wantedBy(model: Model): Map<ObjectKey, readonly string[]> {
  const wanted = new Map<ObjectKey, readonly string[]>();
  for (const object of model.objects()) {
    if (object.kind !== 'Gateway' || !isOurGateway(model, object)) continue;
    const names = new Set(object.spec.listeners.flatMap((one) => permittedCertificates(model, object, one)));
    const { namespace, name } = object.metadata;
    if (names.size > 0) wanted.set(`Gateway/${namespace}/${name}`, [...names]);
  }
  return wanted;
}

function secretFiles(raw: RawObject): SecretFiles {
  const data = (raw['data'] ?? {}) as Readonly<Record<string, unknown>>;
  const text = (name: string): string => Buffer.from(String(data[name] ?? ''), 'base64').toString('latin1');
  return { type: String(raw['type'] ?? ''), chain: text('tls.crt'), key: text('tls.key') };
}

/** A pair that a TLS server can use, or one line that says why not. */
function readPair(name: string, { chain, key, type }: SecretFiles): Result<EdgeCertificateMessage, string> {
  const said = (what: string): Result<never, string> => fail(`Secret ${name} ${what}`);
  if (chain === '' || key === '') {
    const missing = chain === '' ? 'tls.crt' : 'tls.key';
    return said(
      `holds no ${missing}${type === 'kubernetes.io/tls' ? '' : `; its type is ${type || 'Opaque'}, not kubernetes.io/tls`}`,
    );
  }
  if (chain.length > MOST_PEM_BYTES || key.length > MOST_PEM_BYTES) {
    return said(`holds more than ${MOST_PEM_BYTES} bytes of a certificate or key`);
  }
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(chain);
  } catch {
    return said('holds no certificate that can be read in tls.crt');
  }
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key))) return said('holds a tls.key that is not the key of tls.crt');
  } catch {
    return said('holds no private key that can be read in tls.key');
  }
  return ok({ name, chain: Buffer.from(chain, 'latin1'), key: Buffer.from(key, 'latin1') });
}
