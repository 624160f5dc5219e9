/**
 * Verification of a peer's X.509-SVID by our own code (X509-SVID 4 and 5).
 *
 * TLS alone does not do this: OpenSSL, through Node, accepted leaves with two URI names, with CA:TRUE, without a name
 * or key usage, and with NUL inside a name. And on a `TLSSocket` made by hand `authorized` says nothing, so it is never
 * consulted. The way to accept a connection is, for every kind of listener:
 *
 * ```ts
 * server.on('secureConnection', (socket) => {            // or socket.once('secure', ...) on a TLSSocket made by hand
 *   const peer = checkPeer(socket, bundle, clock.wallMs(), 'client');
 *   if (!peer.ok) return refuse(socket, peer.error.reason);  // destroys it
 *   socket.on('data', ...);                               // only now may anything read
 * });
 * ```
 * The check is synchronous and stands in the same turn as the event, before any listener that makes the stream flow:
 * bytes a client sent behind its Finished wait in the stream and are dropped with it.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { keyUsageBit, objectId, readCertificateFacts } from './certificate-facts.ts';
import type { CertificateFacts, CertificateFault } from './certificate-facts.ts';
import { readSpiffeId, readWorkloadName } from './spiffe-id.ts';
import type { SpiffeId, SpiffeIdFault } from './spiffe-id.ts';
import { certificateFingerprint } from './trust-bundle.ts';
import type { TrustBundle, TrustRoot } from './trust-bundle.ts';

/** What a verified peer is. */
export interface PeerIdentity {
  /** The whole SPIFFE ID; compare with `===`. */
  readonly id: string;
  readonly trustDomain: string;
  /** Undefined when the ID has another shape than `/ns/<namespace>/sa/<service-account>`. */
  readonly namespace: string | undefined;
  readonly serviceAccount: string | undefined;
  /** Unix ms: the first end of leaf, intermediates and root. */
  readonly notAfterMs: number;
  /** Hex SHA-256 of the root that vouches; a bundle without it ends the connection. */
  readonly rootFingerprint: string;
  /** Hex SHA-256 of the leaf. */
  readonly leafFingerprint: string;
}

/** What the peer does in the connection: the client's certificate needs clientAuth, the server's serverAuth. */
export type PeerRole = 'client' | 'server';

export type SvidFault =
  | 'no-certificate'
  | 'verify-error'
  | CertificateFault
  | 'no-uri-san'
  | 'many-uri-sans'
  | SpiffeIdFault
  | 'id-without-path'
  | 'trust-domain-foreign'
  | 'leaf-is-ca'
  | 'key-usage'
  | 'extended-key-usage'
  | 'not-yet-valid'
  | 'expired'
  | 'weak-signature'
  | 'name-constraints'
  | 'untrusted';

export interface SvidRefusal {
  readonly reason: SvidFault;
  /** For logs: what OpenSSL said, or which certificate; empty when the reason says it all. */
  readonly detail: string;
}

/** A proof that a leaf chains to a root of a bundle, good inside its window of time. */
interface Proof {
  readonly identity: PeerIdentity;
  readonly notBeforeMs: number;
  readonly asClient: boolean;
  readonly asServer: boolean;
}

interface Issuer {
  readonly certificate: X509Certificate;
  readonly facts: CertificateFacts;
}

interface Chain {
  readonly root: TrustRoot;
  notBeforeMs: number;
  notAfterMs: number;
}

// Proofs die with their bundle. 4,096 leaves are more peers than one sidecar talks to; each proof is about 600 bytes.
const proofs = new WeakMap<TrustBundle, Map<string, Proof>>();
const mostProofs = 4096;

// Chains longer than this do not occur; both bounds keep a made-up chain from costing more than a few signatures.
const mostIntermediates = 4;
const mostSignatureChecks = 8;

// ECDSA and RSA with SHA-256/384/512, and Ed25519. SHA-1 and MD5 are not among them.
const signatureAlgorithms: ReadonlySet<string> = new Set([
  objectId.ecdsaSha256,
  objectId.ecdsaSha384,
  objectId.ecdsaSha512,
  objectId.rsaSha256,
  objectId.rsaSha384,
  objectId.rsaSha512,
  objectId.ed25519,
]);

/**
 * Verifies the peer of a finished handshake; see the file's head for when. `nowMs` is Unix time. Refuses when OpenSSL
 * found fault too (`verifyError`), so a rule that only OpenSSL knows still holds.
 */
export function checkPeer(
  socket: TLSSocket,
  bundle: TrustBundle,
  nowMs: number,
  role: PeerRole,
): Result<PeerIdentity, SvidRefusal> {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return refuse('no-certificate');
  const fingerprint = certificateFingerprint(leaf);
  // The rest of the chain is taken out of OpenSSL only when it is needed: that costs more than the look-up.
  const proof = recall(fingerprint, bundle, nowMs) ?? prove(chainFrom(leaf), leaf, fingerprint, bundle, nowMs);
  const verified = forRole(proof, role);
  // Ours first: its reasons are finer than OpenSSL's.
  if (!verified.ok) return verified;
  const openSsl = verifyError(socket);
  return openSsl === undefined ? verified : refuse('verify-error', openSsl);
}

/** The certificates the peer sent, leaf first, no more than are of use; empty when it sent none. */
export function peerChain(socket: TLSSocket): X509Certificate[] {
  const leaf = socket.getPeerX509Certificate();
  return leaf === undefined ? [] : chainFrom(leaf);
}

/**
 * Verifies a chain, leaf first. Costs one hash and a look-up when the leaf was proven under this very bundle, else two
 * or more signature checks. Time is checked on every call.
 */
export function verifySvid(
  chain: readonly X509Certificate[],
  bundle: TrustBundle,
  nowMs: number,
  role: PeerRole,
): Result<PeerIdentity, SvidRefusal> {
  const leaf = chain[0];
  if (leaf === undefined) return refuse('no-certificate');
  const fingerprint = certificateFingerprint(leaf);
  return forRole(recall(fingerprint, bundle, nowMs) ?? prove(chain, leaf, fingerprint, bundle, nowMs), role);
}

/**
 * Whether a peer verified earlier is still vouched for, when its connection has outlived a change of roots or the leaf
 * itself: its root is in the bundle and has not expired, and its trust domain is still one of ours. The leaf's own end
 * is not asked about, as connections may outlive it.
 */
export function isVouchedFor(peer: PeerIdentity, bundle: TrustBundle, nowMs: number): boolean {
  if (peer.trustDomain !== bundle.trustDomain && !bundle.aliases.includes(peer.trustDomain)) return false;
  const root = bundle.roots.find((root) => root.fingerprint === peer.rootFingerprint);
  return root !== undefined && timeFault(root.facts, nowMs) === undefined;
}

function chainFrom(leaf: X509Certificate): X509Certificate[] {
  const chain = [leaf];
  let next = leaf.issuerCertificate;
  while (next !== undefined && chain.length <= mostIntermediates) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function forRole(proof: Result<Proof, SvidRefusal>, role: PeerRole): Result<PeerIdentity, SvidRefusal> {
  if (!proof.ok) return proof;
  const fits = role === 'client' ? proof.value.asClient : proof.value.asServer;
  return fits ? ok(proof.value.identity) : refuse('extended-key-usage', role);
}

/** An earlier proof under this very bundle, if its time still holds. */
function recall(fingerprint: string, bundle: TrustBundle, nowMs: number): Result<Proof, SvidRefusal> | undefined {
  const proof = proofs.get(bundle)?.get(fingerprint);
  if (proof === undefined || nowMs < proof.notBeforeMs || nowMs >= proof.identity.notAfterMs) return undefined;
  return ok(proof);
}

/** Proves a leaf and keeps the proof. Refusals are not kept: another chain may prove the same leaf. */
function prove(
  chain: readonly X509Certificate[],
  leaf: X509Certificate,
  leafFingerprint: string,
  bundle: TrustBundle,
  nowMs: number,
): Result<Proof, SvidRefusal> {
  const read = readCertificateFacts(leaf.raw);
  if (!read.ok) return refuse(read.error);
  const facts = read.value;
  const id = readLeafId(facts, bundle);
  if (!id.ok) return id;
  const fault = leafFault(facts, nowMs);
  if (fault !== undefined) return refuse(fault, 'leaf');

  const search: Search = { bundle, nowMs, trustDomain: id.value.trustDomain, checks: 0, fault: 'untrusted' };
  const intermediates = readIntermediates(chain, search);
  const path = findRoot({ certificate: leaf, facts }, intermediates, 0, search);
  if (path === undefined) return refuse(search.fault);

  const name = readWorkloadName(id.value);
  const proof: Proof = {
    identity: {
      id: id.value.text,
      trustDomain: id.value.trustDomain,
      namespace: name?.namespace,
      serviceAccount: name?.serviceAccount,
      notAfterMs: Math.min(facts.notAfterMs, path.notAfterMs),
      rootFingerprint: path.root.fingerprint,
      leafFingerprint,
    },
    notBeforeMs: Math.max(facts.notBeforeMs, path.notBeforeMs),
    asClient: allowsUsage(facts, objectId.clientAuth),
    asServer: allowsUsage(facts, objectId.serverAuth),
  };
  keep(proof, bundle);
  return ok(proof);
}

function keep(proof: Proof, bundle: TrustBundle): void {
  let known = proofs.get(bundle);
  if (known === undefined) proofs.set(bundle, (known = new Map()));
  // The oldest goes: a Map keeps the order of insertion.
  if (known.size >= mostProofs) known.delete(known.keys().next().value!);
  known.set(proof.identity.leafFingerprint, proof);
}

/** X509-SVID 2 and 5.2: exactly one URI name, and it is a SPIFFE ID with a path, of our trust domain. */
function readLeafId(facts: CertificateFacts, bundle: TrustBundle): Result<SpiffeId, SvidRefusal> {
  const uri = facts.uriNames[0];
  if (uri === undefined) return refuse('no-uri-san');
  if (facts.uriNames.length > 1) return refuse('many-uri-sans');
  const id = readSpiffeId(uri);
  if (!id.ok) return refuse(id.error);
  if (id.value.path === '') return refuse('id-without-path');
  const { trustDomain } = id.value;
  if (trustDomain !== bundle.trustDomain && !bundle.aliases.includes(trustDomain))
    return refuse('trust-domain-foreign', trustDomain);
  return id;
}

/** X509-SVID 4.1, 4.3, 5.2. */
function leafFault(facts: CertificateFacts, nowMs: number): SvidFault | undefined {
  if (facts.isCa) return 'leaf-is-ca';
  const usage = facts.keyUsage;
  if (usage === undefined || (usage & keyUsageBit.digitalSignature) === 0) return 'key-usage';
  if ((usage & (keyUsageBit.keyCertSign | keyUsageBit.crlSign)) !== 0) return 'key-usage';
  if (facts.extendedKeyUsages?.length === 0) return 'extended-key-usage';
  return timeFault(facts, nowMs);
}

/** No allowance for skew: leaves are backdated when issued, which is where skew is known. */
function timeFault(facts: CertificateFacts, nowMs: number): SvidFault | undefined {
  if (nowMs < facts.notBeforeMs) return 'not-yet-valid';
  // RFC 5280 4.1.2.5 counts notAfter itself as valid, to the second; ending a second early harms nobody.
  return nowMs >= facts.notAfterMs ? 'expired' : undefined;
}

interface Search {
  readonly bundle: TrustBundle;
  readonly nowMs: number;
  readonly trustDomain: string;
  checks: number;
  /** The most telling reason met so far, should no path be found. */
  fault: SvidFault;
}

function readIntermediates(chain: readonly X509Certificate[], search: Search): Issuer[] {
  const issuers: Issuer[] = [];
  for (const certificate of chain.slice(1, 1 + mostIntermediates)) {
    const facts = readCertificateFacts(certificate.raw);
    if (!facts.ok) {
      search.fault = facts.error;
      continue;
    }
    // RFC 5280 6.1.4: an intermediate must be a CA and say that it may sign certificates.
    const maySign = ((facts.value.keyUsage ?? 0) & keyUsageBit.keyCertSign) !== 0;
    if (facts.value.isCa && maySign) issuers.push({ certificate, facts: facts.value });
  }
  return issuers;
}

/** Depth-first from the leaf upwards. `below` counts the intermediates already under `child`. */
function findRoot(child: Issuer, intermediates: readonly Issuer[], below: number, search: Search): Chain | undefined {
  if (!signatureAlgorithms.has(child.facts.signatureAlgorithm)) {
    search.fault = 'weak-signature';
    return undefined;
  }
  for (const root of search.bundle.roots) {
    if (!vouches(root, child, below, search)) continue;
    return { root, notBeforeMs: root.facts.notBeforeMs, notAfterMs: root.facts.notAfterMs };
  }
  for (const issuer of intermediates) {
    if (!vouches(issuer, child, below, search)) continue;
    const others = intermediates.filter((other) => other !== issuer);
    const path = findRoot(issuer, others, below + 1, search);
    if (path === undefined) continue;
    path.notBeforeMs = Math.max(path.notBeforeMs, issuer.facts.notBeforeMs);
    path.notAfterMs = Math.min(path.notAfterMs, issuer.facts.notAfterMs);
    return path;
  }
  return undefined;
}

function vouches(issuer: Issuer, child: Issuer, below: number, search: Search): boolean {
  const { facts } = issuer;
  if (!facts.subject.equals(child.facts.issuer)) return false;
  if (facts.pathLength !== undefined && below > facts.pathLength) return false;
  if (search.checks >= mostSignatureChecks) return false;
  search.checks += 1;
  const key = 'publicKey' in issuer ? (issuer as TrustRoot).publicKey : issuer.certificate.publicKey;
  if (!child.certificate.verify(key)) return false;
  const time = timeFault(facts, search.nowMs);
  if (time !== undefined) {
    search.fault = time;
    return false;
  }
  if (!isPermitted(facts, search.trustDomain)) {
    search.fault = 'name-constraints';
    return false;
  }
  return true;
}

/** RFC 5280 4.2.1.10 for URIs: a host stands for itself, one with a leading dot for every host below it. */
function isPermitted(facts: CertificateFacts, host: string): boolean {
  const covers = (base: string) => (base.startsWith('.') ? host.endsWith(base) : host === base);
  if (facts.excludedUriHosts.some(covers)) return false;
  return facts.permittedUriHosts === undefined || facts.permittedUriHosts.some(covers);
}

function allowsUsage(facts: CertificateFacts, usage: string): boolean {
  const usages = facts.extendedKeyUsages;
  return usages === undefined || usages.includes(usage) || usages.includes(objectId.anyExtendedKeyUsage);
}

/**
 * What OpenSSL found. The public `authorizationError` is set by `tls.Server` and `tls.connect` only, so the handle is
 * asked, which knows on every kind of TLSSocket. A handle that is gone (closed meanwhile) or can't tell is a fault.
 */
function verifyError(socket: TLSSocket): string | undefined {
  const { _handle: handle } = socket as unknown as { _handle: VerifyingHandle | null };
  if (typeof handle?.verifyError !== 'function') return 'closed';
  const error = handle.verifyError();
  return error === null || error === undefined ? undefined : (error.code ?? error.message);
}

interface VerifyingHandle {
  verifyError?(): (Error & { code?: string }) | null | undefined;
}

function refuse(reason: SvidFault, detail = ''): Result<never, SvidRefusal> {
  return fail({ reason, detail });
}
