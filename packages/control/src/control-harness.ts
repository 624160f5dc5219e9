/** A control plane and proxies on loopback for this package's tests: real sockets, real TLS. Not exported by the package. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createSecureContext } from 'node:tls';
import {
  type TrustBundle,
  fetchPinnedRoot,
  makeKeyAndCsr,
  meshContext,
  readJoinToken,
  readTrustBundle,
  readWorkloadSvid,
  toCaPem,
  verifySvid,
} from '@weft/identity';
import { type Clock, TimerWheel, assert, seededRandom, systemClock } from '@weft/kernel';
import type { Resource, ResourceKey } from '@weft/model';
import {
  type AnnouncedListener,
  type Changes,
  type ClientTls,
  type Drain,
  type Refusal,
  type Report,
  SyncClient,
  type SyncHandler,
  type TrustBundleMessage,
  type WorkloadFacts,
  issueCertificate,
  syncConnector,
} from '@weft/wire';
import { FakeClock } from '@weft/testkit';
import type { ControlOptions, ControlPlane } from './control-options.ts';
import { startControlPlane } from './control-plane.ts';
import type { Log, LogFields } from './log.ts';

/** Lines as `level message`. */
export class RecordedLog implements Log {
  readonly lines: string[] = [];

  info(message: string, _fields?: LogFields): void {
    this.lines.push(`info ${message}`);
  }

  warn(message: string, _fields?: LogFields): void {
    this.lines.push(`warn ${message}`);
  }

  error(message: string, _fields?: LogFields): void {
    this.lines.push(`error ${message}`);
  }
}

export interface TestControl {
  readonly control: ControlPlane;
  readonly folder: string;
  readonly log: RecordedLog;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  /** Ended before it. */
  readonly proxies: TestProxy[];
}

/** A folder that goes with the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-control-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A control plane that ends with the test; on the system's clock unless another one is given with its wheel. */
export async function startTestControl(t: TestContext, options: Partial<ControlOptions>): Promise<TestControl> {
  const folder = options.stateFolder ?? join(temporaryFolder(t), 'state');
  const log = new RecordedLog();
  const clock = options.clock ?? systemClock;
  const wheel = options.wheel ?? new TimerWheel(clock);
  if (options.wheel === undefined) wheel.start();
  const proxies: TestProxy[] = [];
  const control = await startControlPlane({
    name: 'control-a',
    host: '127.0.0.1',
    port: 0,
    adminSocket: join(temporaryFolder(t), 'admin.sock'),
    random: seededRandom(1),
    log,
    ...options,
    stateFolder: folder,
    clock,
    wheel,
  });
  t.after(async () => {
    for (const proxy of proxies) proxy.client.stop();
    const stopping = control.stop();
    if (clock instanceof FakeClock) clock.advance(1000);
    await stopping;
    wheel.stop();
  });
  return { control, folder, log, wheel, clock, proxies };
}

export interface TestProxyOptions {
  /** What it remembers of requests; absent: it keeps nothing. */
  readonly why?: NonNullable<SyncHandler['why']>;
  /** How its balancers see a service. */
  readonly backends?: NonNullable<SyncHandler['backends']>;
  /** Told that live requests are wanted. */
  readonly tap?: NonNullable<SyncHandler['tap']>;
  readonly service: string;
  readonly serviceAccount?: string;
  readonly namespace?: string;
  readonly instance?: string;
  readonly ephemeral?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly listeners?: readonly AnnouncedListener[];
  readonly gateway?: string;
  readonly capabilities?: readonly string[];
  /** What Hello says in place of the attested account. */
  readonly claimedAccount?: string;
  /** An identity of an earlier proxy, in place of a token of its own. */
  readonly identity?: TestIdentity;
  /** Refuses a resource of a transaction. */
  readonly refuse?: (resource: Resource) => string | undefined;
}

export interface TestIdentity {
  readonly id: string;
  readonly bundle: TrustBundle;
  readonly tls: () => ClientTls;
}

/** A workload's way in: pinned root, key, request, leaf. */
export async function joinMesh(
  control: ControlPlane,
  service: string,
  serviceAccount = '',
  namespace = 'shop',
): Promise<TestIdentity> {
  const { token } = await control.createToken({ namespace, service, serviceAccount });
  return redeem(token);
}

/** Spends a token. */
export async function redeem(token: string): Promise<TestIdentity> {
  const read = readJoinToken(token);
  assert(read.ok, 'a token that can be read');
  const { controlAddress, trustDomain, rootFingerprint, credential } = read.value;
  const [host = '', port = ''] = controlAddress.split(':');
  const root = await fetchPinnedRoot({
    host,
    port: Number(port),
    trustDomain,
    rootFingerprint,
    timeoutMs: 5000,
    wallMs: () => systemClock.wallMs(),
  });
  assert(root.ok, 'the pinned root is offered');
  const { keyPem, csr } = makeKeyAndCsr();
  const tls = {
    context: createSecureContext({ ca: toCaPem(root.value), minVersion: 'TLSv1.3' }),
    verifyServer: verify(root.value),
  };
  const issued = await issueCertificate(controlAddress, tls, {
    csr,
    joinToken: credential,
    serviceAccountToken: '',
    certificate: null,
  });
  if (!issued.ok) throw new Error(issued.error.message);
  const pem = issued.value.chain.map((der) => new X509Certificate(Buffer.from(der)).toString()).join('');
  const svid = readWorkloadSvid(keyPem, pem);
  assert(svid.ok, 'a leaf that can be read');
  const bundle = bundleOf(issued.value.trustBundle!);
  return {
    id: svid.value.id,
    bundle,
    tls: () => ({ context: meshContext(svid.value, bundle).context, verifyServer: verify(bundle) }),
  };
}

/** A proxy's Sync side with everything it is sent. */
export class TestProxy {
  readonly client: SyncClient;
  readonly drains: Drain[] = [];
  readonly bundles: TrustBundleMessage[] = [];
  readonly missing: string[] = [];
  isComplete = false;
  private held: Promise<void> | null = null;
  private letGo: () => void = () => undefined;

  constructor(clock: Clock, wheel: TimerWheel, address: string, identity: TestIdentity, options: TestProxyOptions) {
    const account = options.claimedAccount ?? options.serviceAccount ?? options.service;
    const workload: WorkloadFacts = {
      namespace: options.namespace ?? 'shop',
      name: options.service,
      serviceAccount: account,
      instance: options.instance ?? `${options.service}-1`,
      labels: Object.entries(options.labels ?? {}).map(([name, value]) => ({ name, value })),
      node: '',
      zone: '',
      version: '0.1.0',
      ephemeral: options.ephemeral ?? true,
      service: (options.ephemeral ?? true) ? options.service : '',
      weight: 100,
    };
    this.client = new SyncClient({
      workload,
      listeners: options.listeners ?? [],
      capabilities: options.capabilities ?? [],
      gateway: options.gateway ?? '',
      connector: syncConnector(() => address, identity.tls),
      clock,
      timers: wheel,
      random: seededRandom(7),
      handler: {
        apply: (changes) => this.apply(changes, options.refuse),
        missing: (destinations) => this.missing.push(...destinations),
        trustBundle: (bundle) => this.bundles.push(bundle),
        complete: () => {
          this.isComplete = true;
        },
        drain: (drain) => this.drains.push(drain),
        connection: () => undefined,
        ...(options.why === undefined ? {} : { why: options.why }),
        ...(options.backends === undefined ? {} : { backends: options.backends }),
        ...(options.tap === undefined ? {} : { tap: options.tap }),
      },
    });
    this.client.start();
  }

  /** Acknowledges nothing until `release`. */
  hold(): void {
    this.held = new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  release(): void {
    this.held = null;
    this.letGo();
  }

  get<T extends Resource['type']>(key: `${T}:${string}`): Extract<Resource, { type: T }> | undefined {
    return this.client.resources.get(key as ResourceKey)?.resource as Extract<Resource, { type: T }> | undefined;
  }

  /** Keys of the endpoints it would call. */
  endpoints(destination: string): string[] {
    return (this.get(`endpoints:${destination}`)?.endpoints ?? []).map(({ key }) => key);
  }

  report(report: Partial<Report>): void {
    this.client.report({
      ready: true,
      draining: false,
      certificateNotAfterMs: 0,
      loopDelayP99Ms: 0,
      residentBytes: 0,
      inboundConnections: 0,
      requestsTotal: 0,
      destinationsInUse: [],
      opaquePorts: [],
      ...report,
    });
  }

  private async apply(
    changes: Changes,
    refuse: TestProxyOptions['refuse'],
  ): Promise<{ readonly errors: readonly Refusal[] }> {
    if (this.held !== null) await this.held;
    const errors: Refusal[] = [];
    for (const { key, resource } of changes.upserted) {
      const message = refuse?.(resource);
      if (message !== undefined) errors.push({ key, code: 'Invalid', message });
    }
    return { errors };
  }
}

/** A proxy with a token of its own that ends with the test. */
export async function startTestProxy(mesh: TestControl, options: TestProxyOptions): Promise<TestProxy> {
  const identity =
    options.identity ??
    (await joinMesh(mesh.control, options.service, options.serviceAccount ?? '', options.namespace ?? 'shop'));
  const proxy = new TestProxy(mesh.clock, mesh.wheel, mesh.control.address, identity, options);
  mesh.proxies.push(proxy);
  return proxy;
}

function verify(bundle: TrustBundle): ClientTls['verifyServer'] {
  return (certificate) => {
    const verified = verifySvid([new X509Certificate(certificate.raw)], bundle, systemClock.wallMs(), 'server');
    if (!verified.ok) return new Error(verified.error.reason);
    return verified.value.serviceAccount === 'weft-control' ? undefined : new Error(`${verified.value.id} answered`);
  };
}

function bundleOf(message: TrustBundleMessage): TrustBundle {
  const pem = message.roots.map((der) => new X509Certificate(Buffer.from(der)).toString()).join('');
  const bundle = readTrustBundle(pem, message.trustDomain);
  assert(bundle.ok, 'a bundle that can be read');
  return bundle.value;
}
