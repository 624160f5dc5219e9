import { Buffer } from 'node:buffer';
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import {
  Rotation,
  fetchPinnedRoot,
  makeKeyAndCsr,
  meshContext,
  readJoinToken,
  readTrustBundle,
  readWorkloadSvid,
  storedLeafLife,
  toCaPem,
  verifySvid,
  workloadId,
} from '@weft/identity';
import type { JoinToken, StateFolder, StoredState, TrustBundle, WorkloadSvid } from '@weft/identity';
import { fail, fullJitterBackoffMs, ok } from '@weft/kernel';
import type { Clock, Random, Result, Timer, TimerWheel } from '@weft/kernel';
import { issueCertificate } from '@weft/wire';
import type { ClientTls, IssueResponse, TrustBundleMessage } from '@weft/wire';
import type { Log } from '../log.ts';
import type { PodToken } from '../proxy-options.ts';
import { MeshTls } from './mesh-tls.ts';

export interface WorkloadIdentityOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  /** Null keeps nothing. */
  readonly folder: StateFolder | null;
  readonly stored: StoredState;
  /** `host:port` of the control plane; empty without one. A token's own address counts when this is empty. */
  readonly controlAddress: string;
  /** A join token; empty when the stored leaf is to do. */
  readonly token: string;
  /** Of a pod, in place of a join token. */
  readonly podToken?: PodToken;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly keyAgreement: 'hybrid' | 'classical';
}

const PINNED_ROOT_TIMEOUT_MS = 5_000;
/** About a minute; then the kubelet starts the process again, and waits longer each time. */
const MOST_POD_ATTEMPTS = 30;
const LONGEST_POD_WAIT_MS = 4_000;

/** The wall clock may jump while the monotonic one that timers follow does not: look again once a day at least. */
const LONGEST_WAIT_MS = 86_400_000;

/** SPIFFE ID under which a control plane serves: no other workload of the mesh may pass for it. */
export function controlPlaneId(trustDomain: string): string {
  return workloadId(trustDomain, 'weft-system', 'weft-control') ?? '';
}

/**
 * The identity of this workload over its life: taken from the state folder or issued with a join token, renewed at half of
 * its life under the connection's own certificate, stored again each time. The private key never leaves the process and
 * the folder.
 */
export class WorkloadIdentity {
  readonly tls: MeshTls;
  readonly controlAddress: string;
  private readonly options: WorkloadIdentityOptions;
  private readonly rotation: Rotation;
  private readonly timer: Timer;
  private renewing: boolean;
  private stopped: boolean;
  private readonly renewedListeners: (() => void)[];

  private constructor(
    options: WorkloadIdentityOptions,
    controlAddress: string,
    svid: WorkloadSvid,
    bundle: TrustBundle,
  ) {
    this.options = options;
    this.controlAddress = controlAddress;
    this.tls = new MeshTls(svid, bundle, options.clock, options.keyAgreement);
    this.rotation = new Rotation(
      storedLeafLife(svid.notBeforeMs, svid.notAfterMs, options.clock.wallMs()),
      options.random,
    );
    this.timer = options.wheel.create(() => void this.renew());
    this.renewing = false;
    this.stopped = false;
    this.renewedListeners = [];
  }

  /** From the folder when what is there is still good, else with the token. The error is a sentence for a person. */
  static async obtain(options: WorkloadIdentityOptions): Promise<Result<WorkloadIdentity, string>> {
    const { stored, clock, token } = options;
    const fromFolder = usableStored(options);
    if (fromFolder !== undefined) {
      return ok(new WorkloadIdentity(options, addressBeside(options), fromFolder.svid, fromFolder.bundle));
    }
    if (options.podToken !== undefined) return WorkloadIdentity.obtainAsPod(options, options.podToken);
    if (token === '') {
      const why =
        stored.svid === undefined ? 'there is no stored certificate' : 'the stored certificate cannot be used';
      return fail(
        `${why} and no join token was given; create one with: weft token create --service ${options.serviceAccount}`,
      );
    }
    const read = readJoinToken(token);
    if (!read.ok)
      return fail(`the join token is not readable (${read.error}); create a new one with: weft token create`);
    const address = options.controlAddress === '' ? read.value.controlAddress : options.controlAddress;
    const pinned = await pinnedRoot(read.value, address, clock);
    if (!pinned.ok) return pinned;
    const { keyPem, csr } = makeKeyAndCsr();
    const tls = joinTls(pinned.value, clock);
    const issued = await issueCertificate(address, tls, {
      csr,
      joinToken: read.value.credential,
      serviceAccountToken: '',
      certificate: null,
    });
    if (!issued.ok) return fail(issueFault(issued.error.code, issued.error.message, address));
    const svid = readWorkloadSvid(keyPem, chainPem(issued.value));
    if (!svid.ok) return fail(`the control plane issued a certificate that cannot be used (${svid.error})`);
    const bundle = bundleOf(issued.value.trustBundle, pinned.value) ?? pinned.value;
    const identity = new WorkloadIdentity(options, address, svid.value, bundle);
    identity.store();
    return ok(identity);
  }

  /** Asks until a control plane answers: pods and their mesh are often started together. */
  private static async obtainAsPod(
    options: WorkloadIdentityOptions,
    podToken: PodToken,
  ): Promise<Result<WorkloadIdentity, string>> {
    const { clock, wheel, random, log, controlAddress } = options;
    const roots = readTrustBundle(podToken.rootsPem, podToken.trustDomain);
    if (!roots.ok) return fail(`the roots of the mesh cannot be read (${roots.error}); inject the pod anew`);
    for (let attempt = 0; ; attempt += 1) {
      const { keyPem, csr } = makeKeyAndCsr();
      const request = { csr, joinToken: '', serviceAccountToken: podToken.read(), certificate: null };
      const issued = await issueCertificate(controlAddress, joinTls(roots.value, clock), request);
      if (issued.ok) {
        const svid = readWorkloadSvid(keyPem, chainPem(issued.value));
        if (!svid.ok) return fail(`the control plane issued a certificate that cannot be used (${svid.error})`);
        const bundle = bundleOf(issued.value.trustBundle, roots.value) ?? roots.value;
        const identity = new WorkloadIdentity(options, controlAddress, svid.value, bundle);
        identity.store();
        return ok(identity);
      }
      const { code, message } = issued.error;
      if (attempt === MOST_POD_ATTEMPTS) return fail(`${code}: ${message}`);
      log.warn(`no certificate yet: ${code}: ${message}`, { control: controlAddress });
      const waitMs = 100 + fullJitterBackoffMs(random, attempt, 200, LONGEST_POD_WAIT_MS);
      await new Promise<void>((resolve) => void wheel.schedule(waitMs, resolve));
    }
  }

  /** Starts renewing. */
  start(): void {
    this.plan();
  }

  stop(): void {
    this.stopped = true;
    this.timer.cancel();
  }

  onRenewed(listener: () => void): void {
    this.renewedListeners.push(listener);
  }

  /** TLS towards the control plane, under the present leaf. */
  clientTls(): ClientTls {
    const { svid, bundle } = this.tls;
    return {
      context: meshContext(svid, bundle, this.options.keyAgreement).context,
      verifyServer: (certificate) => verifyControl(certificate.raw, bundle, this.options.clock),
    };
  }

  /** Roots pushed over Sync. */
  takeBundle(message: TrustBundleMessage): void {
    const bundle = bundleOf(message, this.tls.bundle);
    if (bundle === undefined) {
      this.options.log.error('the control plane sent roots that cannot be read; the present ones stay');
      return;
    }
    if (bundle.generation === this.tls.bundle.generation) return;
    this.tls.update(this.tls.svid, bundle);
    this.options.log.info('roots changed', { roots: bundle.roots.length });
    this.store();
  }

  private plan(): void {
    if (this.stopped) return;
    const waitMs = Math.max(10, this.rotation.nextAtMs - this.options.clock.wallMs());
    this.timer.reschedule(Math.min(waitMs, LONGEST_WAIT_MS));
  }

  private async renew(): Promise<void> {
    const { clock, log } = this.options;
    if (this.renewing || this.stopped) return;
    if (clock.wallMs() < this.rotation.nextAtMs) {
      this.plan();
      return;
    }
    this.renewing = true;
    const renewed = await this.issueAgain().catch((error: unknown) => fail(String(error)));
    this.renewing = false;
    if (renewed.ok) {
      const { svid, bundle } = renewed.value;
      this.rotation.renewed({ obtainedAtMs: clock.wallMs(), notAfterMs: svid.notAfterMs });
      this.tls.update(svid, bundle);
      this.store();
      for (const listener of this.renewedListeners) listener();
      log.debug('certificate renewed', { notAfter: new Date(svid.notAfterMs).toISOString() });
    } else {
      this.rotation.failed(clock.wallMs());
      const leftMs = this.tls.svid.notAfterMs - clock.wallMs();
      log.warn(`certificate not renewed: ${renewed.error}`, { expiresInSeconds: Math.round(leftMs / 1000) });
    }
    this.plan();
  }

  private async issueAgain(): Promise<Result<{ svid: WorkloadSvid; bundle: TrustBundle }, string>> {
    const { keyPem, csr } = makeKeyAndCsr();
    const request = { csr, joinToken: '', serviceAccountToken: '', certificate: {} };
    const issued = await issueCertificate(this.controlAddress, this.clientTls(), request);
    if (!issued.ok) return fail(issueFault(issued.error.code, issued.error.message, this.controlAddress));
    const svid = readWorkloadSvid(keyPem, chainPem(issued.value));
    if (!svid.ok) return fail(svid.error);
    if (svid.value.id !== this.tls.svid.id) return fail(`issued for ${svid.value.id} instead of ${this.tls.svid.id}`);
    return ok({ svid: svid.value, bundle: bundleOf(issued.value.trustBundle, this.tls.bundle) ?? this.tls.bundle });
  }

  /** A folder that cannot be written costs the next start, not this one. */
  private store(): void {
    const { folder, log } = this.options;
    if (folder === null) return;
    for (const written of [folder.writeSvid(this.tls.svid), folder.writeBundle(this.tls.bundle)]) {
      if (!written.ok) log.warn(`identity not stored: ${written.error.message}; this process goes on with it`);
    }
  }
}

function usableStored(options: WorkloadIdentityOptions): { svid: WorkloadSvid; bundle: TrustBundle } | undefined {
  const { svid, bundle } = options.stored;
  if (svid === undefined || bundle === undefined) return undefined;
  const checked = verifySvid(svid.chain, bundle, options.clock.wallMs(), 'client');
  if (!checked.ok) return undefined;
  const { namespace, serviceAccount } = checked.value;
  // The folder of another workload: a token decides then.
  if (namespace !== options.namespace || serviceAccount !== options.serviceAccount) return undefined;
  return { svid, bundle };
}

/** Of the control plane for a stored leaf: the one given, else the token's, which is of no other use then. */
function addressBeside({ controlAddress, token }: WorkloadIdentityOptions): string {
  if (controlAddress !== '' || token === '') return controlAddress;
  const read = readJoinToken(token);
  return read.ok ? read.value.controlAddress : '';
}

async function pinnedRoot(token: JoinToken, address: string, clock: Clock): Promise<Result<TrustBundle, string>> {
  const colon = address.lastIndexOf(':');
  const fetched = await fetchPinnedRoot({
    host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(colon + 1)),
    trustDomain: token.trustDomain,
    rootFingerprint: token.rootFingerprint,
    timeoutMs: PINNED_ROOT_TIMEOUT_MS,
    wallMs: () => clock.wallMs(),
  });
  if (fetched.ok) return fetched;
  const { reason, detail } = fetched.error;
  if (reason === 'unreachable' || reason === 'timeout') {
    return fail(
      `no control plane answers at ${address} (${detail === '' ? reason : detail}); start one with: weft control`,
    );
  }
  return fail(`the server at ${address} is not the control plane that made this token (${reason}); check the address`);
}

function joinTls(bundle: TrustBundle, clock: Clock): ClientTls {
  return {
    context: createSecureContext({ ca: toCaPem(bundle), minVersion: 'TLSv1.3' }),
    verifyServer: (certificate) => verifyControl(certificate.raw, bundle, clock),
  };
}

function verifyControl(raw: Buffer | undefined, bundle: TrustBundle, clock: Clock): Error | undefined {
  if (raw === undefined) return new Error('the control plane shows no certificate');
  const verified = verifySvid([new X509Certificate(raw)], bundle, clock.wallMs(), 'server');
  if (!verified.ok) return new Error(`the control plane's certificate is refused: ${verified.error.reason}`);
  const expected = controlPlaneId(bundle.trustDomain);
  if (verified.value.id === expected) return undefined;
  return new Error(`${verified.value.id} answers instead of the control plane`);
}

function issueFault(code: string, message: string, address: string): string {
  if (code === 'Unavailable') return `no control plane answers at ${address}; start one with: weft control`;
  if (code === 'Unauthenticated') return `the control plane refuses the attestation: ${message}; create a new token`;
  return `${code}: ${message}`;
}

function chainPem(response: IssueResponse): string {
  return response.chain.map((der) => new X509Certificate(Buffer.from(der)).toString()).join('');
}

function bundleOf(message: TrustBundleMessage | null, previous: TrustBundle): TrustBundle | undefined {
  if (message === null) return undefined;
  try {
    const pem = message.roots.map((der) => new X509Certificate(Buffer.from(der)).toString()).join('');
    const read = readTrustBundle(pem, message.trustDomain, previous.aliases);
    return read.ok ? read.value : undefined;
  } catch {
    return undefined;
  }
}
