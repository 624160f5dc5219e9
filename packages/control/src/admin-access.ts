/**
 * Who may ask what over the port that a cluster's people reach: the API server says whose a token is (TokenReview) and
 * whether that user may read `proxies/status`, `proxies/config` or `proxies/tap` of weft.dev (SubjectAccessReview). Both
 * answers are held for a moment. Nothing is decided here.
 */
import { createHash } from 'node:crypto';
import { type Clock, type Result, type TimerWheel, fail, ok } from '@weft/kernel';
import { type KubeClient, type KubeFault, type ReviewedToken, reviewAccess, reviewToken } from '@weft/kube';
import type { AdminCall, AdminGuard, AdminService, CallFault } from '@weft/wire';
import { type AdminRight, CallersDesk } from './admin-callers-desk.ts';

export interface AdminAccessOptions {
  readonly service: AdminService;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** The dashboard for one caller, who may see live requests or not; undefined when none is served. */
  readonly dashboard: (mayTap: boolean) => { readonly address: string; readonly token: string } | undefined;
}

/** Tokens made for Weft have this audience: a control plane that was taken over can do nothing else with them. */
export const ADMIN_AUDIENCE = 'weft-admin';

/** Null: not over this port. What one request carried is read with the right to watch requests. */
const RIGHTS: Readonly<Record<AdminCall, AdminRight | null>> = {
  GetServer: 'status',
  ListProxies: 'status',
  GetTraffic: 'status',
  WatchEvents: 'status',
  GetDashboard: 'status',
  ListObjects: 'config',
  GetConfig: 'config',
  GetVersions: 'config',
  Why: 'tap',
  Tap: 'tap',
  CreateToken: null,
};

const HELD_MS = 30_000;
/** Somebody may have been given the role just now. */
const REFUSED_MS = 5_000;
const MOST_HELD = 1_024;
const MOST_ASKED = 16;
const MOST_TOKEN_CHARACTERS = 16_384;

interface Held<T> {
  readonly untilMs: number;
  readonly answer: Promise<Result<T, CallFault>>;
}

export class AdminAccess implements AdminGuard {
  private readonly options: AdminAccessOptions;
  private readonly users: Map<string, Held<ReviewedToken>>;
  private readonly rights: Map<string, Held<true>>;
  private asking: number;

  constructor(options: AdminAccessOptions) {
    this.options = options;
    this.users = new Map();
    this.rights = new Map();
    this.asking = 0;
  }

  async admit(call: AdminCall, token: string): Promise<Result<AdminService, CallFault>> {
    const right = RIGHTS[call];
    if (right === null) {
      const message = 'join tokens are made at the control plane itself, over its socket: kubectl exec';
      return fail({ code: 'PermissionDenied', message });
    }
    const allowed = await this.allows(right, token);
    if (!allowed.ok) return allowed;
    const { service, wheel, dashboard } = this.options;
    return ok(new CallersDesk({ service, wheel, dashboard, allows: (other) => this.allows(other, token) }));
  }

  /** Whether the bearer may read `proxies/<right>`, now or lately. */
  async allows(right: AdminRight, token: string): Promise<Result<true, CallFault>> {
    if (token === '') {
      return fail({ code: 'Unauthenticated', message: 'no token came with the call; weft sends one with --context' });
    }
    if (token.length > MOST_TOKEN_CHARACTERS) return fail(unknownToken);
    const key = createHash('sha256').update(token).digest('base64');
    const user = await this.hold(this.users, key, () => this.whose(token));
    if (!user.ok) return user;
    return this.hold(this.rights, `${key} ${right}`, () => this.review(user.value, right));
  }

  private hold<T>(
    held: Map<string, Held<T>>,
    key: string,
    ask: () => Promise<Result<T, CallFault>>,
  ): Promise<Result<T, CallFault>> {
    const nowMs = this.options.clock.nowMs();
    const known = held.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known.answer;
    if (this.asking >= MOST_ASKED) {
      const message = `${MOST_ASKED} callers are being looked up; try again in a moment`;
      return Promise.resolve(fail({ code: 'ResourceExhausted', message }));
    }
    this.asking += 1;
    const answer = ask().then((result) => {
      this.asking -= 1;
      // A refusal is held shortly, and what the API server could not answer not at all.
      const untilMs = result.ok ? nowMs + HELD_MS : result.error.code === 'Unavailable' ? 0 : nowMs + REFUSED_MS;
      if (!result.ok && held.get(key)?.answer === answer) held.set(key, { untilMs, answer });
      return result;
    });
    held.delete(key);
    // In order of age, so that the oldest goes.
    for (const oldest of held.keys()) {
      if (held.size < MOST_HELD) break;
      held.delete(oldest);
    }
    held.set(key, { untilMs: nowMs + HELD_MS, answer });
    return answer;
  }

  private async whose(token: string): Promise<Result<ReviewedToken, CallFault>> {
    const { client } = this.options;
    // Ours first; then whatever else the API server takes from this user.
    for (const audience of [ADMIN_AUDIENCE, '']) {
      const reviewed = await reviewToken(client, token, audience);
      if (!reviewed.ok) return fail(unanswered(reviewed.error));
      if (reviewed.value !== undefined) return ok(reviewed.value);
    }
    return fail(unknownToken);
  }

  private async review(user: ReviewedToken, right: AdminRight): Promise<Result<true, CallFault>> {
    const question = { verb: 'get', resource: 'proxies', subresource: right, namespace: '' };
    const reviewed = await reviewAccess(this.options.client, user, question);
    if (!reviewed.ok) return fail(unanswered(reviewed.error));
    if (reviewed.value) return ok(true);
    const role = right === 'tap' ? 'weft-tap' : 'weft-viewer';
    const message = `${user.user} may not get proxies/${right} of weft.dev in all namespaces; the ClusterRole ${role} allows it`;
    return fail({ code: 'PermissionDenied', message });
  }
}

const unknownToken: CallFault = {
  code: 'Unauthenticated',
  message: 'the API server does not take this token: it is forged, has ended, or was made for somebody else',
};

function unanswered({ message }: KubeFault): CallFault {
  return { code: 'Unavailable', message: `who asks, and what they may, cannot be told at the moment: ${message}` };
}
