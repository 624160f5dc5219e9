/**
 * TLS inside the mesh: 1.3 only, both sides with certificates, nothing resumed.
 *
 * No resumption because a resumed connection shows no peer certificate to the client and one verified under older
 * roots to the server: `SSL_OP_NO_TICKET`, and clients offer no session. That a chain is good and the peer is who it
 * should be is decided by `checkPeer` (svid.ts); OpenSSL verifies against the same roots before.
 */
import { constants } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { ConnectionOptions, SecureContext, SecureContextOptions, TLSSocket, TlsOptions } from 'node:tls';
import { toCaPem } from './trust-bundle.ts';
import type { TrustBundle } from './trust-bundle.ts';
import type { WorkloadSvid } from './workload-svid.ts';

/** ALPN names of what travels between sidecars. */
export const meshProtocols = ['weft-h2', 'weft-http/1.1', 'weft-tcp'] as const;
export type MeshProtocol = (typeof meshProtocols)[number];

/**
 * Key agreement. `hybrid` (the default) puts X25519MLKEM768 first, safe against a recording read by a quantum computer
 * later; `classical` leaves it out, for comparing with peers that lack it.
 */
export type KeyAgreement = 'hybrid' | 'classical';

/** The context of one leaf under one bundle. Both its parts and options made from it may be shared by all sockets. */
export interface MeshContext {
  /** Changes with the leaf, the roots or the key agreement. */
  readonly generation: string;
  readonly context: SecureContext;
  /** For `tls.createServer` and `setSecureContext`, which take material instead of a context. */
  readonly material: SecureContextOptions;
}

const groups: Record<KeyAgreement, string> = {
  hybrid: 'X25519MLKEM768:X25519:P-256',
  classical: 'X25519:P-256',
};

// AES-128 first: as strong as the P-256 leaves, and the cheapest on processors that have AES.
const ciphers = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384';

// Making a context costs 0.36 ms: as much as a handshake. Few live at a time: rotation holds two.
const contexts = new Map<string, MeshContext>();
const mostContexts = 8;

/**
 * The context of a leaf under a bundle, made once for each pair. The same object comes back for the same content, so a
 * context may be compared by identity to see whether anything changed.
 */
export function meshContext(
  svid: WorkloadSvid,
  bundle: TrustBundle,
  keyAgreement: KeyAgreement = 'hybrid',
): MeshContext {
  const generation = `${svid.leafFingerprint.slice(0, 16)}-${bundle.generation}-${keyAgreement}`;
  const known = contexts.get(generation);
  if (known !== undefined) return known;
  const material: SecureContextOptions = {
    key: svid.keyPem,
    cert: svid.certificatesPem,
    // An empty list would mean the public authorities of the web.
    ca: bundle.roots.length === 0 ? svid.certificatesPem : toCaPem(bundle),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: groups[keyAgreement],
    ciphers,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  const made: MeshContext = { generation, context: createSecureContext(material), material };
  if (contexts.size >= mostContexts) contexts.delete(contexts.keys().next().value!);
  contexts.set(generation, made);
  return made;
}

/**
 * Options of a mesh listener, for `tls.createServer`. On a new leaf or bundle call
 * `server.setSecureContext(next.material)`: open connections stay, new ones take it. A socket that was read for
 * detection is handed in by `raw.unshift(head); server.emit('connection', raw)`, never by a TLSSocket made by hand.
 */
export function meshServerOptions(
  context: MeshContext,
  protocols: readonly MeshProtocol[],
  handshakeTimeoutMs = 5_000,
): TlsOptions {
  return {
    ...context.material,
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeTimeoutMs,
    // Without an overlap the server answers with a no_application_protocol alert (RFC 7301 3.2).
    ALPNProtocols: [...protocols],
  };
}

/**
 * Options of a mesh connection, for `tls.connect` beside an address or a socket. The name in the certificate is a
 * SPIFFE ID, not a host: the caller compares `checkPeer`'s with the one it expects.
 */
export function meshClientOptions(context: MeshContext, protocols: readonly MeshProtocol[]): ConnectionOptions {
  return {
    secureContext: context.context,
    rejectUnauthorized: true,
    checkServerIdentity: acceptAnyHost,
    ALPNProtocols: [...protocols],
  };
}

/** What was agreed on, or undefined when the peer spoke no protocol of the mesh. */
export function meshProtocol(socket: TLSSocket): MeshProtocol | undefined {
  return meshProtocols.find((protocol) => protocol === socket.alpnProtocol);
}

function acceptAnyHost(): undefined {
  return undefined;
}
