import {
  type AuthorityMaterial,
  type ServerCertificate,
  createServerRoot,
  issueServerCertificate,
  serverRootEnd,
} from '@weft/identity';
import type { Clock, Timer, TimerWheel } from '@weft/kernel';
import type { Log } from '../log.ts';

/** Where the replicas of a control plane keep the root of their webhooks: a Secret, or a file of a single one. */
export interface WebhookRootStore {
  /** Undefined when nothing is stored. Rejects when that cannot be known. */
  read(): Promise<AuthorityMaterial | undefined>;
  /**
   * Stores `next` if what is stored is still `held` (undefined: nothing), else changes nothing: of two replicas at the same time
   * one wins, and both use what `read` says after it.
   */
  replace(held: AuthorityMaterial | undefined, next: AuthorityMaterial): Promise<void>;
  /** Tells the API server, in the webhook configurations, by which roots to check us. PEM. */
  publish(bundlePem: string): Promise<void>;
}

export interface WebhookIdentityOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly store: WebhookRootStore;
  /** As the API server calls us: `weft-control.weft-system.svc`. */
  readonly dnsNames: readonly string[];
  /** A new certificate is to be served from now on. */
  readonly serve: (certificate: ServerCertificate) => void;
}

const DAY_MS = 86_400_000;
const ROOT_LIFETIME_MS = 365 * DAY_MS;
/** A root is replaced when so much of it is left, and its follower is trusted beside it until then. */
const ROOT_RESERVE_MS = 60 * DAY_MS;
const CERTIFICATE_LIFETIME_MS = 30 * DAY_MS;
/** Someone may have deleted the Secret, or emptied the bundle: it is looked at so often. */
const LOOK_AGAIN_MS = 60_000;

/**
 * The certificate of the webhooks over its life: made, published, renewed at two thirds, made again when its root was replaced
 * or lost. Nothing of it is rendered by the chart.
 */
export class WebhookIdentity {
  private readonly options: WebhookIdentityOptions;
  private readonly timer: Timer;
  private root: AuthorityMaterial | undefined;
  /** The root before, trusted as long as a replica may serve under it. */
  private previousPem: string;
  private renewAtMs: number;
  private stopped: boolean;

  constructor(options: WebhookIdentityOptions) {
    this.options = options;
    this.timer = options.wheel.create(() => void this.lookAgain());
    this.root = undefined;
    this.previousPem = '';
    this.renewAtMs = 0;
    this.stopped = false;
  }

  /** Rejects when there is no certificate to serve. */
  async start(): Promise<void> {
    await this.follow();
    this.timer.reschedule(LOOK_AGAIN_MS);
  }

  stop(): void {
    this.stopped = true;
    this.timer.cancel();
  }

  private async lookAgain(): Promise<void> {
    try {
      await this.follow();
    } catch (error) {
      // The present one serves on; it has ten days left at least when this begins to matter.
      this.options.log.warn(`webhook certificate not looked after: ${(error as Error).message}`);
    }
    if (!this.stopped) this.timer.reschedule(LOOK_AGAIN_MS);
  }

  private async follow(): Promise<void> {
    const { clock, store, dnsNames, serve, log } = this.options;
    const nowMs = clock.wallMs();
    const root = await this.currentRoot(nowMs);
    if (this.root !== undefined && root.certificatePem !== this.root.certificatePem) {
      this.previousPem = this.root.certificatePem;
      this.renewAtMs = 0;
    }
    this.root = root;
    // Trusted before it is served.
    await store.publish(`${root.certificatePem}${this.previousPem}`);
    if (nowMs < this.renewAtMs) return;
    const issued = await issueServerCertificate(root, dnsNames, CERTIFICATE_LIFETIME_MS, nowMs);
    if (!issued.ok) throw new Error(issued.error);
    this.renewAtMs = nowMs + ((issued.value.notAfterMs - nowMs) * 2) / 3;
    serve(issued.value);
    log.info('webhook certificate made', { notAfter: new Date(issued.value.notAfterMs).toISOString() });
  }

  private async currentRoot(nowMs: number): Promise<AuthorityMaterial> {
    const { store } = this.options;
    const held = await store.read();
    const endMs = held === undefined ? undefined : serverRootEnd(held);
    if (held !== undefined && endMs !== undefined && endMs - nowMs > ROOT_RESERVE_MS) return held;
    await store.replace(held, await createServerRoot(ROOT_LIFETIME_MS, nowMs));
    const stored = await store.read();
    if (stored === undefined) throw new Error('the root of the webhooks was not stored');
    return stored;
  }
}
