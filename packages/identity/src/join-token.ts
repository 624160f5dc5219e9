/**
 * Join tokens: how a workload outside Kubernetes proves once who it is. A token is for one workload, works once, ends
 * after ten minutes, and pins the root, so the first connection is as safe as every later one.
 *
 * The control plane keeps only the SHA-256 of the secret. That is enough for a secret of 256 random bits: nothing of
 * it can be guessed, so no slow hash is needed. Tokens live in memory; a restart of the control plane ends them.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { isTrustDomain } from './spiffe-id.ts';

/** The workload a token is for. */
export interface JoinSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Name of the service or entry it will stand for. */
  readonly workload: string;
}

/** What the holder of a token learns from it. */
export interface JoinToken extends JoinSubject {
  /** `host:port` of the control plane. */
  readonly controlAddress: string;
  readonly trustDomain: string;
  /** Hex SHA-256 of the root's certificate. */
  readonly rootFingerprint: string;
  /** What is sent as the attestation: names the token and proves it. Secret. */
  readonly credential: string;
}

export type JoinTokenFault = 'token-malformed' | 'token-damaged' | 'token-version';

export type RedeemFault = 'token-malformed' | 'token-unknown' | 'token-expired' | 'token-used' | 'token-other-workload';

export const joinTokenLifetimeMs = 10 * 60_000;

const prefix = 'weft1.';
const longestTokenCharacters = 4096;
const checksumBytes = 4;
const idBytes = 8;
const secretBytes = 32;
// A hash, three names and two numbers each: 10,000 are about 4 MiB.
const mostTokens = 10_000;
const credentialGrammar = /^[A-Za-z0-9_-]{11}\.[A-Za-z0-9_-]{43}$/;

/** Reads a token as pasted by a person. `token-damaged` means that a part of it is missing or changed. */
export function readJoinToken(text: string): Result<JoinToken, JoinTokenFault> {
  const trimmed = text.trim();
  if (trimmed.length > longestTokenCharacters) return fail('token-malformed');
  if (!trimmed.startsWith(prefix)) return fail(/^weft\d+\./.test(trimmed) ? 'token-version' : 'token-malformed');
  const bytes = Buffer.from(trimmed.slice(prefix.length), 'base64url');
  const body = bytes.subarray(0, Math.max(0, bytes.length - checksumBytes));
  if (!checksum(body).equals(bytes.subarray(body.length))) return fail('token-damaged');
  const fields = body.toString('utf8').split('\n');
  if (fields.length !== 7) return fail('token-malformed');
  const [controlAddress, trustDomain, rootFingerprint, namespace, serviceAccount, workload, credential] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const isSound =
    /:\d{1,5}$/.test(controlAddress) &&
    isTrustDomain(trustDomain) &&
    /^[0-9a-f]{64}$/.test(rootFingerprint) &&
    credentialGrammar.test(credential);
  if (!isSound) return fail('token-malformed');
  return ok({ controlAddress, trustDomain, rootFingerprint, namespace, serviceAccount, workload, credential });
}

/** One line of printable characters, safe in a shell and a URL. */
export function writeJoinToken(token: JoinToken): string {
  const body = Buffer.from(
    [
      token.controlAddress,
      token.trustDomain,
      token.rootFingerprint,
      token.namespace,
      token.serviceAccount,
      token.workload,
      token.credential,
    ].join('\n'),
  );
  return prefix + Buffer.concat([body, checksum(body)]).toString('base64url');
}

interface Entry {
  readonly subject: JoinSubject;
  readonly secretHash: Buffer;
  readonly expiresAtMs: number;
  isUsed: boolean;
}

/** The tokens a control plane has given out. Single owner. */
export class JoinTokenRegister {
  // In order of creation, and all live equally long: the first is the first to end.
  readonly #entries = new Map<string, Entry>();

  /** Tokens given out that can still be used or are remembered as used. */
  get size(): number {
    return this.#entries.size;
  }

  /** A new credential for one workload; `nowMs` is Unix time. Undefined when 10,000 tokens are out: wait for some to end. */
  create(subject: JoinSubject, nowMs: number): string | undefined {
    this.#forgetEnded(nowMs);
    if (this.#entries.size >= mostTokens) return undefined;
    const id = randomBytes(idBytes).toString('base64url');
    const secret = randomBytes(secretBytes);
    this.#entries.set(id, {
      subject,
      secretHash: createHash('sha256').update(secret).digest(),
      expiresAtMs: nowMs + joinTokenLifetimeMs,
      isUsed: false,
    });
    return `${id}.${secret.toString('base64url')}`;
  }

  /**
   * Spends a credential for the workload it was made for and returns that workload: the identity follows from the
   * register, never from what the caller said. A wrong workload name spends nothing.
   */
  redeem(credential: string, workload: string, nowMs: number): Result<JoinSubject, RedeemFault> {
    if (!credentialGrammar.test(credential)) return fail('token-malformed');
    const dot = credential.indexOf('.');
    const entry = this.#entries.get(credential.slice(0, dot));
    const given = createHash('sha256')
      .update(Buffer.from(credential.slice(dot + 1), 'base64url'))
      .digest();
    // Compared before anything else is said, so that only a holder of the secret learns of use and expiry.
    if (!timingSafeEqual(given, entry?.secretHash ?? noSecret) || entry === undefined) return fail('token-unknown');
    if (nowMs >= entry.expiresAtMs) return fail('token-expired');
    if (entry.isUsed) return fail('token-used');
    if (entry.subject.workload !== workload) return fail('token-other-workload');
    entry.isUsed = true;
    return ok(entry.subject);
  }

  // Ended tokens are kept for one more life, so that `token-expired` can be said; then they are unknown.
  #forgetEnded(nowMs: number): void {
    for (const [id, entry] of this.#entries) {
      if (nowMs < entry.expiresAtMs + joinTokenLifetimeMs) break;
      this.#entries.delete(id);
    }
  }
}

const noSecret = Buffer.alloc(32);

function checksum(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, checksumBytes);
}
