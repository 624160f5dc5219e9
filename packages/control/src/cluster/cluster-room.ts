/**
 * What a control plane does in a Kubernetes cluster beside reading it: it attests pods, shares its root with the other
 * replicas, answers the webhooks, and, where it leads, writes status and events.
 *
 *   every replica   source, attestation, webhooks, Sync
 *   the leader      status, events, the Secret of the root when it is deleted
 */
import { type AuthorityFolder, openAuthorityFolder, toCaPem } from '@weft/identity';
import { type Clock, type Random, type Result, type Timer, type TimerWheel, fail, ok } from '@weft/kernel';
import {
  type ClusterAccess,
  ClusterWatch,
  EventRecorder,
  KindWatch,
  KubeClient,
  type KubeFault,
  LeaseElector,
  type RawObject,
  SecretStore,
  StatusWriter,
} from '@weft/kube';
import { type Model, type ObjectKey, type ResourceKey, formatProblem } from '@weft/model';
import type { CallFault, MeshEvent, SyncSession } from '@weft/wire';
import type { Registry } from 'prom-client';
import type { Log } from '../log.ts';
import type { AttestedAccount, IdentityDesk } from '../identity-desk.ts';
import type { ObjectReport, Use } from '../object-report.ts';
import { type HolderAnswers, HoldersElsewhere } from '../peers/holders-elsewhere.ts';
import type { ObjectRecord } from '../config-store.ts';
import { KubeSource } from '../source/kube-source.ts';
import { attestAccount } from './account-attestor.ts';
import { GatewaySecrets } from './gateway-secrets.ts';
import { copyToFolder, isFolder, publishRoot, shareRoot } from './root-secret.ts';
import { statusToWrite } from './standing-status.ts';
import { TrustPublisher } from './trust-publisher.ts';
import { type WebhookOptions, WebhookRoom } from './webhook-room.ts';

export interface ClusterOptions {
  readonly access: ClusterAccess;
  /** Name of this replica: the pod's. */
  readonly replica: string;
  /** Where the control plane runs: its Lease and its Secrets are there. */
  readonly namespace: string;
  readonly rootSecret?: string;
  readonly leaseName?: string;
  /** Absent: no webhooks are served, and none of theirs are touched. */
  readonly webhooks?: WebhookOptions;
  /** Told of each request to the API server: for a test that compares them with what is granted. */
  readonly onCall?: (method: string, path: string) => void;
}

export interface ClusterRoomOptions extends ClusterOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  /** Endpoints that changed in the cluster so long ago have arrived. */
  readonly onLag?: (lagMs: number) => void;
}

/** What the folder of the authorities is opened with. */
export interface RootSettings {
  readonly folder: string;
  readonly trustDomain: string;
  readonly aliases: readonly string[];
  readonly rootLifetimeMs: number;
}

/** Parts of the control plane that the room looks at once they are there. */
export interface ClusterView {
  readonly report: ObjectReport;
  readonly model: Model;
  readonly identity: IdentityDesk;
  readonly records: () => ReadonlyMap<ObjectKey, ObjectRecord>;
  /** Asks the other replicas what their proxies use. */
  readonly askHolders: () => Promise<HolderAnswers>;
  readonly watchEvents: (emit: (event: MeshEvent) => void) => () => void;
  /** Of proxies that are connected. */
  readonly sessions: () => Iterable<SyncSession>;
}

const POD_SECURITY = 'pod-security.kubernetes.io/enforce';
/** Counts of proxies move all the time: written this often, and at once when an object changes. */
const COUNTS_MS = 10_000;
const CHANGES_MS = 200;
/** Of the counts: ten minutes. */
const TRUST_TICKS = 60;
/** Objects that say which Secrets may be named. */
const NAMING = /^(?:Gateway|GatewayClass|ReferenceGrant)\//;
/** Of the pods of a Gateway (GEP-1762). */
const GATEWAY_LABEL = 'gateway.networking.k8s.io/gateway-name';
/** Events of the control plane that belong on an object of the cluster. */
const toldOnObjects: ReadonlyMap<string, string> = new Map([['object-refused', 'Refused']]);

export class ClusterRoom {
  readonly client: KubeClient;
  readonly source: KubeSource;
  private readonly options: ClusterRoomOptions;
  private readonly elector: LeaseElector;
  private readonly writer: StatusWriter;
  private readonly recorder: EventRecorder;
  private readonly secrets: SecretStore;
  private readonly secretWatch: KindWatch<ReadonlyMap<string, Buffer>>;
  private readonly changed: Set<ObjectKey>;
  private readonly changesTimer: Timer;
  private readonly countsTimer: Timer;
  private view: ClusterView | null;
  /** Null before `begin`. */
  private elsewhere: HoldersElsewhere | null;
  private gatewaySecrets: GatewaySecrets | null;
  private readonly trust: TrustPublisher;
  private ticks: number;
  private root: RootSettings | null;
  private webhooks: WebhookRoom | null;
  private endEvents: () => void;
  private isStopped: boolean;

  constructor(options: ClusterRoomOptions) {
    const { access, clock, wheel, random, log, namespace, replica } = options;
    this.options = options;
    this.client = new KubeClient(access, {
      ...(options.onCall === undefined ? {} : { onCall: options.onCall }),
      onBreaker: (state) => {
        if (state === 'open') log.warn('the API server fails; it is left alone for some seconds at a time');
        else if (state === 'closed') log.info('the API server answers again');
      },
    });
    const { client } = this;
    this.source = new KubeSource(access.description, (onUpdate, checkRegularExpression) => {
      return new ClusterWatch({
        client,
        clock,
        wheel,
        random,
        log,
        onUpdate,
        checkRegularExpression,
        ...(options.onLag === undefined ? {} : { onLag: options.onLag }),
      });
    });
    const watch = this.source.cluster;
    this.elector = new LeaseElector({
      client,
      namespace,
      name: options.leaseName ?? 'weft-control',
      identity: replica,
      clock,
      wheel,
      random,
      onChange: (leads) => this.leadershipChanged(leads),
      onTrouble: ({ message }) => log.warn(`the Lease of the leader cannot be kept: ${message}`),
    });
    this.writer = new StatusWriter({
      client,
      clock,
      wheel,
      served: (kind) => watch.served(kind),
      object: (kind, from, name) => watch.object(kind, from, name),
      mayWrite: () => this.elector.isLeader,
      onFault: ({ kind, namespace: from, name }, { message }) =>
        log.warn(`the status of ${kind} ${from === '' ? '' : `${from}/`}${name} is not written: ${message}`),
    });
    this.recorder = new EventRecorder({
      client,
      clock,
      instance: replica,
      onFault: ({ message }) => log.warn(`an event is not written: ${message}`),
    });
    this.secrets = new SecretStore(client, namespace, options.rootSecret ?? 'weft-root');
    this.secretWatch = new KindWatch(
      client,
      {
        path: `/api/v1/namespaces/${namespace}/secrets`,
        fieldSelector: `metadata.name=${this.secrets.name}`,
        trim: filesOf,
      },
      {
        changed: (_, files) => void this.rootSecretChanged(files),
        synced: () => undefined,
        troubled: ({ message }: KubeFault) => log.warn(`the Secret of the root is not followed: ${message}`),
      },
      { clock, wheel, random },
    );
    this.changed = new Set();
    this.changesTimer = wheel.create(() => this.writeChanged());
    this.countsTimer = wheel.create(() => void this.writeAll());
    this.view = null;
    this.elsewhere = null;
    this.gatewaySecrets = null;
    this.ticks = 0;
    this.trust = new TrustPublisher({
      client,
      log,
      rootsPem: () => (this.view === null ? '' : toCaPem(this.view.identity.bundle)),
    });
    this.root = null;
    this.webhooks = null;
    this.endEvents = () => undefined;
    this.isStopped = false;
  }

  get isLeader(): boolean {
    return this.elector.isLeader;
  }

  /** How long the API server has said nothing of each kind. */
  silences(): Iterable<{ readonly kind: string; readonly silentMs: number }> {
    return this.source.cluster.silences();
  }

  /** Makes the folder of the authorities a copy of the Secret, or the Secret one of the folder. */
  async shareRoot(root: RootSettings): Promise<Result<true, string>> {
    const { clock, log } = this.options;
    this.root = root;
    const shared = await shareRoot(this.secrets, root.folder, () => this.openFolder(clock.wallMs()));
    if (!shared.ok) return shared;
    if (shared.value.isMaker) log.info(`the root is kept in the Secret ${this.secrets.namespace}/${this.secrets.name}`);
    return ok(true);
  }

  attest(token: string): Promise<Result<AttestedAccount, CallFault>> {
    const { cluster } = this.source;
    return attestAccount(this.client, (namespace, name) => cluster.pods.get(`${namespace}/${name}`), token);
  }

  /** Begins what needs the rest of the control plane. */
  begin(view: ClusterView): void {
    this.view = view;
    const { clock, wheel, random } = this.options;
    this.elsewhere = new HoldersElsewhere(view.askHolders, clock);
    this.gatewaySecrets = new GatewaySecrets({
      client: this.client,
      clock,
      wheel,
      random,
      model: view.model,
      changed: (gateways) => this.certificatesChanged(gateways),
    });
    this.gatewaySecrets.refresh();
    this.secretWatch.start();
    this.elector.start();
    this.endEvents = view.watchEvents((event) => this.tell(event));
    this.countsTimer.reschedule(COUNTS_MS);
  }

  /** Serves the webhooks, where any are wanted; the fault is one line for a person. */
  async openWebhooks(registry: Registry): Promise<Result<true, string>> {
    const { webhooks, namespace, clock, wheel, log } = this.options;
    const { client, view } = this;
    if (webhooks === undefined || view === null) return ok(true);
    const mesh = (): { trustDomain: string; rootsPem: string } => {
      const { trustDomain } = view.identity.bundle;
      return { trustDomain, rootsPem: toCaPem(view.identity.bundle) };
    };
    const note = (from: string, pod: string, message: string): void => this.noteOnPod(from, pod, message);
    const podSecurity = (from: string): string =>
      this.source.cluster.object('Namespace', '', from)?.metadata.labels?.[POD_SECURITY] ?? '';
    try {
      const common = { client, namespace, clock, wheel, log, registry, mesh, note, podSecurity };
      this.webhooks = await WebhookRoom.open({ ...webhooks, ...common });
      log.info(`webhooks are served on port ${this.webhooks.port}`);
      return ok(true);
    } catch (error) {
      return fail(`the webhooks cannot be served: ${(error as Error).message}`);
    }
  }

  /** Where the webhooks are; 0 without any. */
  get webhookPort(): number {
    return this.webhooks?.port ?? 0;
  }

  /** Objects whose status may differ now. */
  objectsChanged(keys: Iterable<ObjectKey>): void {
    let isNamed = false;
    for (const key of keys) {
      this.changed.add(key);
      isNamed ||= NAMING.test(key);
    }
    if (isNamed) this.gatewaySecrets?.refresh();
    if (this.changed.size > 0 && !this.changesTimer.armed) this.changesTimer.reschedule(CHANGES_MS);
  }

  /** A proxy is connected: one that serves a Gateway gets its certificates. */
  proxyOpened(session: SyncSession): void {
    const { gateway } = session.hello;
    if (gateway !== '' && this.gatewaySecrets !== null && this.mayHold(session)) {
      session.certificatesChanged({ certificates: this.gatewaySecrets.certificatesOf(gateway) });
    }
  }

  private certificatesChanged(gateways: readonly ObjectKey[]): void {
    this.objectsChanged(gateways);
    const names = new Set<string>(gateways.map((key) => key.slice('Gateway/'.length)));
    for (const session of this.view?.sessions() ?? []) if (names.has(session.hello.gateway)) this.proxyOpened(session);
  }

  /**
   * A workload of the Gateway's namespace may serve it, which is not to say that it may have its keys: the pod itself must say
   * that it is one of the Gateway, as the standard labels them. Whoever may make such a pod could mount the Secret as well.
   */
  private mayHold({ hello }: SyncSession): boolean {
    const { namespace, instance, serviceAccount } = hello.workload;
    const pod = this.source.cluster.pods.get(`${namespace}/${instance}`);
    const [, name = ''] = hello.gateway.split('/');
    return pod?.labels[GATEWAY_LABEL] === name && pod.serviceAccount === serviceAccount;
  }

  /** The folder of the authorities was changed here. */
  async rootsChanged(): Promise<void> {
    const { log } = this.options;
    if (this.root === null) return;
    const published = await publishRoot(this.secrets, this.root.folder);
    if (!published.ok) log.error(`a change of roots is not shared with the other replicas: ${published.error}`);
  }

  async stop(): Promise<void> {
    this.endEvents();
    this.changesTimer.cancel();
    this.countsTimer.cancel();
    this.isStopped = true;
    await this.webhooks?.stop();
    await Promise.all([this.gatewaySecrets?.stop(), this.writer.stop(), this.elector.stop(), this.secretWatch.stop()]);
    await this.client.close();
  }

  private async openFolder(nowMs: number): Promise<Result<AuthorityFolder, string>> {
    if (this.root === null) return fail('the root is not known yet');
    const { folder, trustDomain, aliases, rootLifetimeMs } = this.root;
    const opened = await openAuthorityFolder({ path: folder, trustDomain, aliases, rootLifetimeMs, nowMs });
    return opened.ok ? opened : fail(opened.error.message);
  }

  private leadershipChanged(leads: boolean): void {
    const { log, replica } = this.options;
    log.info(leads ? `${replica} leads: it writes status and events` : `${replica} no longer leads`);
    if (!leads) return;
    this.trust.forget();
    void this.writeAll();
    if (this.secretWatch.synced && this.secretWatch.size === 0) void this.rootSecretChanged(undefined);
  }

  private async rootSecretChanged(files: ReadonlyMap<string, Buffer> | undefined): Promise<void> {
    const { log } = this.options;
    const { root, view } = this;
    if (root === null || view === null) return;
    if (files === undefined || files.size === 0) {
      if (!this.elector.isLeader) return;
      log.error(
        `the Secret ${this.secrets.namespace}/${this.secrets.name} of the root was deleted; it is made again from this replica's copy`,
      );
      await this.rootsChanged();
      return;
    }
    if (isFolder(root.folder, files)) return;
    const copied = copyToFolder(root.folder, files);
    const opened = copied.ok ? await this.openFolder(this.options.clock.wallMs()) : copied;
    if (!opened.ok) {
      log.error(`the Secret of the root cannot be used, and the present root stays: ${opened.error}`);
      return;
    }
    const adopted = await view.identity.adopt(opened.value);
    if (adopted.ok) log.info('another replica changed the roots; they are in force here too');
    else log.error(`roots of another replica cannot be used: ${adopted.error}`);
  }

  private writeChanged(): void {
    const due = [...this.changed];
    this.changed.clear();
    if (!this.elector.isLeader) return;
    const uses = new Map<ResourceKey, Use>();
    for (const key of due) this.write(key, uses);
  }

  private async writeAll(): Promise<void> {
    this.countsTimer.reschedule(COUNTS_MS);
    if (!this.elector.isLeader) return;
    await this.elsewhere?.refresh();
    const { view } = this;
    if (view === null || this.isStopped || !this.elector.isLeader) return;
    const uses = new Map<ResourceKey, Use>();
    for (const key of view.records().keys()) this.write(key, uses);
    // Somebody may have changed what stands there, or the kind may have come with a new server.
    this.ticks += 1;
    if (this.ticks % TRUST_TICKS === 0) this.trust.forget();
    void this.trust.publish();
  }

  private write(key: ObjectKey, uses: Map<ResourceKey, Use>): void {
    const { view } = this;
    const [kind = '', namespace = '', name = ''] = key.split('/');
    const current = this.source.cluster.object(kind, namespace, name);
    // Pods and Services are known here too, and their status is not ours to write.
    if (view === null || current === undefined) return;
    const standing = view.report.standing(key, uses, this.elsewhere?.of(key));
    const desired = standing === undefined ? undefined : statusToWrite(standing, current, view.model);
    if (desired !== undefined) this.writer.want(desired);
  }

  /** Said by the replica that was asked: each question is asked of one. */
  private noteOnPod(namespace: string, name: string, message: string): void {
    if (name === '') return;
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace, name };
    void this.recorder.record(pod, 'Warning', 'Injection', message);
  }

  private tell({ type, subject, message, severity }: MeshEvent): void {
    const reason = toldOnObjects.get(type);
    if (reason === undefined || !this.elector.isLeader || this.view === null) return;
    const [kind = '', path = ''] = subject.split(' ');
    const [namespace = '', name = ''] = path.includes('/') ? path.split('/') : ['', path];
    const record = this.view.records().get(`${kind}/${namespace}/${name}`);
    const object = this.source.cluster.object(kind, namespace, name);
    if (record === undefined || object === undefined) return;
    const first = record.problems.find((problem) => problem.severity === 'error');
    const { uid } = object.metadata;
    void this.recorder.record(
      { apiVersion: record.ref.apiVersion, kind, namespace, name, ...(uid === undefined ? {} : { uid }) },
      severity === 'info' ? 'Normal' : 'Warning',
      reason,
      first === undefined ? message : formatProblem(first),
    );
  }
}

function filesOf(raw: RawObject): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [name, text] of Object.entries((raw['data'] ?? {}) as Readonly<Record<string, string>>)) {
    files.set(name, Buffer.from(text, 'base64'));
  }
  return files;
}
