/**
 * The certificate authority as a service. Who a workload is follows from its attestation alone: a join token, which names
 * the workload it was made for, or the certificate of the connection, which is renewed as it is. A request's CSR gives a
 * key and proves its possession, nothing else.
 */
import { existsSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import {
  type AuthorityFolder,
  type JoinSubject,
  JoinTokenRegister,
  type MeshContext,
  type PeerIdentity,
  type RedeemFault,
  Rotation,
  type TrustBundle,
  joinTokenLifetimeMs,
  meshContext,
  openAuthorityFolder,
  readCsr,
  readJoinToken,
  verifySvid,
  withRoot,
  workloadId,
  writeJoinToken,
} from '@weft/identity';
import {
  type Clock,
  type Random,
  type Result,
  type Timer,
  type TimerWheel,
  assert,
  fail,
  ok,
  writeDuration,
} from '@weft/kernel';
import type { CallFault, ClientTls, IssueRequest, IssueResponse, TrustBundleMessage } from '@weft/wire';
import { IssueLimiter } from './issue-limiter.ts';
import type { Log } from './log.ts';

/** No workload gets this identity: sidecars take whoever has it for their control plane. */
const CONTROL_NAMESPACE = 'weft-system';
const CONTROL_ACCOUNT = 'weft-control';
/** As many as the register of tokens remembers. */
const MOST_TOKENS = 10_000;

/** What says who asks for a certificate. */
export type Attestation = 'token' | 'account' | 'certificate';

export interface IdentityDeskOptions {
  /** The sealed folder of the authorities. */
  readonly folder: string;
  readonly trustDomain: string;
  readonly aliases: readonly string[];
  readonly rootLifetimeMs: number;
  /** Of leaves issued from now on. */
  readonly leafLifetimeMs: () => number;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  /** A certificate was issued, or why not. */
  readonly onIssued: (identity: string, how: Attestation, serial: string) => void;
  readonly onRefused: (address: string, fault: CallFault) => void;
  /** Whose a token of a Kubernetes service account is; absent where there is no cluster to ask. */
  readonly attestAccount?: (token: string) => Promise<Result<AttestedAccount, CallFault>>;
  /** The folder was changed by a change of roots. */
  readonly onAuthorities?: () => void;
  /** New leaf or roots, for the server. */
  readonly onTls: (tls: TlsOptions) => void;
  readonly onTrust: (bundle: TrustBundleMessage) => void;
}

/** The workload that a token of the cluster stands for. */
export interface AttestedAccount {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Opens the folder, makes the first root when there is none, and gives the server its own leaf. One line for people on failure. */
export async function openIdentityDesk(options: IdentityDeskOptions): Promise<Result<IdentityDesk, string>> {
  const { folder, trustDomain, aliases, rootLifetimeMs, clock, log } = options;
  const isFirst = !existsSync(join(folder, 'signing'));
  const opened = await openAuthorityFolder({
    path: folder,
    trustDomain,
    aliases,
    rootLifetimeMs,
    nowMs: clock.wallMs(),
  });
  if (!opened.ok) {
    return fail(opened.error.message);
  }
  const desk = new IdentityDesk(options, opened.value);
  const { signing } = opened.value;
  if (isFirst) {
    log.info(`made a new root for ${trustDomain}; its key is sealed in ${folder}`, {
      fingerprint: signing.rootFingerprint,
      notAfter: new Date(signing.notAfterMs).toISOString(),
    });
  } else {
    log.info(`signing with the root of ${trustDomain} from ${folder}`, { fingerprint: signing.rootFingerprint });
  }
  const served = await desk.renewOwn();
  return served.ok ? ok(desk) : served;
}

/** By what a request is judged: the first of these that it carries. */
export function attestationOf({ joinToken, serviceAccountToken }: IssueRequest): Attestation {
  if (joinToken !== '') return 'token';
  return serviceAccountToken === '' ? 'certificate' : 'account';
}

/** Made by `openIdentityDesk`. */
export class IdentityDesk {
  private readonly options: IdentityDeskOptions;
  private authorities: AuthorityFolder;
  private readonly tokens: JoinTokenRegister;
  /** Token id to the workload it was made for: a bare credential doesn't say. */
  private readonly workloads: Map<string, string>;
  private readonly limiter: IssueLimiter;
  private readonly timer: Timer;
  private own: MeshContext | null;
  private rotation: Rotation | null;
  private generation: number;
  private roots: TrustBundle;
  private stopped: boolean;

  constructor(options: IdentityDeskOptions, authorities: AuthorityFolder) {
    this.options = options;
    this.authorities = authorities;
    this.tokens = new JoinTokenRegister();
    this.workloads = new Map();
    this.limiter = new IssueLimiter(options.clock);
    this.timer = options.wheel.create(() => void this.renewWhenDue());
    this.own = null;
    this.rotation = null;
    // Grows with every change, over restarts too.
    this.generation = options.clock.wallMs();
    this.roots = authorities.bundle;
    this.stopped = false;
  }

  /** What peers are verified against. The same object until roots change. */
  get bundle(): TrustBundle {
    return this.roots;
  }

  /** Fingerprint of the root or intermediate that signs. */
  get signing(): string {
    return this.authorities.signing.signerFingerprint;
  }

  /** The control plane's own identity: all replicas have it, and nobody else. */
  get identity(): string {
    return this.ownId();
  }

  /** TLS of a client who is a control plane, and speaks to none but control planes. */
  peerTls(): ClientTls {
    const { own, roots } = this;
    assert(own !== null, 'the control plane has a certificate from its start');
    return {
      context: own.context,
      verifyServer: ({ raw }) => {
        const verified = verifySvid([new X509Certificate(raw)], roots, this.options.clock.wallMs(), 'server');
        if (!verified.ok) return new Error(`its certificate is refused: ${verified.error.reason}`);
        return verified.value.id === this.ownId() ? undefined : new Error(`${verified.value.id} answers`);
      },
    };
  }

  get trustBundle(): TrustBundleMessage {
    return {
      trustDomain: this.roots.trustDomain,
      generation: this.generation,
      roots: this.roots.roots.map(({ certificate }) => certificate.raw),
    };
  }

  /** A token for one workload; `lifetimeMs` 0 is 10 minutes. The service was looked up by the caller. */
  createToken(
    subject: JoinSubject,
    controlAddress: string,
    lifetimeMs: number,
  ): Result<{ readonly token: string; readonly expiresAtMs: number }, CallFault> {
    const nowMs = this.options.clock.wallMs();
    const { trustDomain } = this.roots;
    const id = workloadId(trustDomain, subject.namespace, subject.serviceAccount);
    if (id === undefined) {
      const name = `${subject.namespace}/${subject.serviceAccount}`;
      return fail({
        code: 'InvalidArgument',
        message: `${name} can't stand in a SPIFFE ID; use letters, digits, . _ -`,
      });
    }
    if (id === this.ownId()) {
      return fail({ code: 'PermissionDenied', message: `${id} is the control plane itself; choose another account` });
    }
    if (lifetimeMs > joinTokenLifetimeMs) {
      const longest = writeDuration(joinTokenLifetimeMs);
      return fail({
        code: 'InvalidArgument',
        message: `a token lives at most ${longest}; create it when it is needed`,
      });
    }
    // All tokens of the register live equally long; one that is to live shorter is made as if earlier.
    const earlierMs = lifetimeMs === 0 ? 0 : joinTokenLifetimeMs - lifetimeMs;
    const credential = this.tokens.create(subject, nowMs - earlierMs);
    if (credential === undefined) {
      return fail({ code: 'ResourceExhausted', message: 'too many tokens are out; wait some minutes' });
    }
    this.rememberWorkload(credential, subject.workload);
    const rootFingerprint = this.authorities.signing.rootFingerprint;
    const token = writeJoinToken({ ...subject, controlAddress, trustDomain, rootFingerprint, credential });
    return ok({ token, expiresAtMs: nowMs - earlierMs + joinTokenLifetimeMs });
  }

  /** `peer` is the certificate of the connection, `address` where it comes from. */
  async issue(
    request: IssueRequest,
    peer: PeerIdentity | null,
    address: string,
  ): Promise<Result<IssueResponse, CallFault>> {
    const issued = await this.issueChecked(request, peer, address);
    if (!issued.ok) this.options.onRefused(address, issued.error);
    return issued;
  }

  /** Makes another root: trusted by all from now on, signing only when activated. Its fingerprint, or one line. */
  async prepareRoot(): Promise<Result<string, string>> {
    const prepared = await this.authorities.prepare(this.options.clock.wallMs());
    if (!prepared.ok) return fail(prepared.error.message);
    await this.rootsChanged();
    this.options.onAuthorities?.();
    return ok(prepared.value.signerFingerprint);
  }

  /** From now on leaves are signed with this one, the control plane's own first. */
  async activateRoot(fingerprint: string): Promise<Result<true, string>> {
    const activated = this.authorities.activate(fingerprint);
    if (!activated.ok) return fail(activated.error.message);
    this.options.onAuthorities?.();
    return this.renewOwn();
  }

  /** Ends the trust in a root that no longer signs. */
  async removeRoot(fingerprint: string): Promise<Result<true, string>> {
    const removed = this.authorities.remove(fingerprint);
    if (!removed.ok) return fail(removed.error.message);
    await this.rootsChanged();
    this.options.onAuthorities?.();
    return ok(true);
  }

  /** Takes over what another replica made of the authorities. */
  async adopt(authorities: AuthorityFolder): Promise<Result<true, string>> {
    this.authorities = authorities;
    this.roots = authorities.bundle;
    this.generation = Math.max(this.generation + 1, this.options.clock.wallMs());
    const renewed = await this.renewOwn();
    this.options.onTrust(this.trustBundle);
    return renewed;
  }

  /** A new leaf for the server itself. */
  async renewOwn(): Promise<Result<true, string>> {
    const { clock, random, onTls } = this.options;
    const nowMs = clock.wallMs();
    const issued = await this.authorities.signing.issueOwn(this.ownId(), this.options.leafLifetimeMs(), nowMs);
    if (!issued.ok) return fail(`no certificate for the control plane itself: ${issued.error}`);
    const { folder, trustDomain } = this.options;
    // Roots are confined to their trust domain: those of another mesh would sign, and nobody would believe it.
    const verified = verifySvid(issued.value.chain, this.roots, nowMs, 'server');
    if (!verified.ok) {
      return fail(
        `${folder} holds the authority of another mesh (this one is ${trustDomain}): ${verified.error.reason}; ` +
          'give another state folder, or the trust domain it was made for',
      );
    }
    this.own = meshContext(withRoot(issued.value, this.roots), this.roots);
    onTls(this.own.material);
    const life = { obtainedAtMs: nowMs, notAfterMs: issued.value.notAfterMs };
    if (this.rotation === null) this.rotation = new Rotation(life, random);
    else this.rotation.renewed(life);
    this.plan();
    return ok(true);
  }

  stop(): void {
    this.stopped = true;
    this.timer.cancel();
  }

  private async issueChecked(
    request: IssueRequest,
    peer: PeerIdentity | null,
    address: string,
  ): Promise<Result<IssueResponse, CallFault>> {
    const { clock, leafLifetimeMs, onIssued } = this.options;
    if (!this.limiter.take(peer?.id ?? hostOf(address))) {
      return fail({ code: 'ResourceExhausted', message: 'too many certificates asked for; try again in some seconds' });
    }
    const nowMs = clock.wallMs();
    const csr = Buffer.from(request.csr);
    // Before the attestation: a bad request spends no token.
    const key = readCsr(csr);
    if (!key.ok) return fail({ code: 'InvalidArgument', message: `the certificate request is refused: ${key.error}` });
    const how = attestationOf(request);
    const id =
      how === 'token'
        ? this.redeem(request.joinToken, nowMs)
        : how === 'account'
          ? await this.attest(request.serviceAccountToken)
          : this.renewable(request, peer);
    if (!id.ok) return id;
    const issued = await this.authorities.signing.issue({ csr, id: id.value, lifetimeMs: leafLifetimeMs(), nowMs });
    if (!issued.ok) {
      return fail({ code: 'FailedPrecondition', message: `no certificate can be issued: ${issued.error}` });
    }
    onIssued(id.value, how, issued.value.serial);
    return ok({
      chain: readCertificates(issued.value.certificatesPem),
      trustBundle: this.trustBundle,
      notAfterMs: issued.value.notAfterMs,
      identity: id.value,
    });
  }

  /** The identity of the connection's own certificate. */
  private renewable(request: IssueRequest, peer: PeerIdentity | null): Result<string, CallFault> {
    if (request.certificate === null) {
      return fail({ code: 'Unauthenticated', message: 'neither a join token nor a certificate attests' });
    }
    if (peer === null) return fail({ code: 'Unauthenticated', message: 'the connection has no certificate to renew' });
    return ok(peer.id);
  }

  /** The identity of the account whose pod holds the token. */
  private async attest(token: string): Promise<Result<string, CallFault>> {
    const { attestAccount } = this.options;
    if (attestAccount === undefined) {
      const message = 'tokens of service accounts are taken in a cluster only; create a join token';
      return fail({ code: 'Unauthenticated', message });
    }
    const account = await attestAccount(token);
    if (!account.ok) return account;
    const { namespace, serviceAccount } = account.value;
    const id = workloadId(this.roots.trustDomain, namespace, serviceAccount);
    if (id === undefined) {
      const message = `${namespace}/${serviceAccount} can't stand in a SPIFFE ID; use letters, digits, . _ -`;
      return fail({ code: 'FailedPrecondition', message });
    }
    if (id === this.ownId()) return fail({ code: 'PermissionDenied', message: `${id} is the control plane itself` });
    return ok(id);
  }

  /** Takes the whole token as printed, or the credential inside it. Spends it. */
  private redeem(token: string, nowMs: number): Result<string, CallFault> {
    const read = readJoinToken(token);
    const credential = read.ok ? read.value.credential : token;
    const workload = this.workloads.get(tokenIdOf(credential)) ?? '';
    const subject = this.tokens.redeem(credential, workload, nowMs);
    if (!subject.ok) return fail({ code: 'Unauthenticated', message: tokenFaults[subject.error] });
    const { namespace, serviceAccount } = subject.value;
    const id = workloadId(this.roots.trustDomain, namespace, serviceAccount);
    assert(id !== undefined, 'a token was made for an identity that can be written');
    return ok(id);
  }

  private rememberWorkload(credential: string, workload: string): void {
    if (this.workloads.size >= MOST_TOKENS) this.workloads.delete(this.workloads.keys().next().value!);
    this.workloads.set(tokenIdOf(credential), workload);
  }

  private async rootsChanged(): Promise<void> {
    this.roots = this.authorities.bundle;
    this.generation = Math.max(this.generation + 1, this.options.clock.wallMs());
    await this.renewOwn();
    this.options.onTrust(this.trustBundle);
  }

  private plan(): void {
    if (this.stopped || this.rotation === null) return;
    this.timer.reschedule(Math.max(0, this.rotation.nextAtMs - this.options.clock.wallMs()));
  }

  private async renewWhenDue(): Promise<void> {
    const { clock, log } = this.options;
    const renewed = await this.renewOwn();
    if (renewed.ok || this.rotation === null) return;
    log.error(`the control plane's own certificate is not renewed: ${renewed.error}`);
    this.rotation.failed(clock.wallMs());
    this.plan();
  }

  private ownId(): string {
    const id = workloadId(this.roots.trustDomain, CONTROL_NAMESPACE, CONTROL_ACCOUNT);
    assert(id !== undefined, 'the control plane has a name that can stand in a SPIFFE ID');
    return id;
  }
}

const tokenFaults: Readonly<Record<RedeemFault, string>> = {
  'token-malformed': 'the join token is malformed',
  'token-unknown': 'the join token is not known here (tokens end with a restart of the control plane)',
  'token-expired': 'the join token has expired',
  'token-used': 'the join token was used already; a token works once',
  'token-other-workload': 'the join token was made for another workload',
};

function tokenIdOf(credential: string): string {
  return credential.slice(0, Math.max(0, credential.indexOf('.')));
}

/** Of `address:port`. */
function hostOf(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')));
}

/** DER of each, in order. */
function readCertificates(pem: string): Buffer[] {
  return pem
    .split(/(?<=-----END CERTIFICATE-----)/)
    .filter((block) => block.includes('BEGIN'))
    .map((block) => new X509Certificate(block).raw);
}
