/**
 * The first word with a control plane: a workload that has only a token fetches the root the token pins. The server
 * sends its root behind its leaf (`withRoot`); a certificate with the pinned SHA-256 is the root, whoever sends it.
 */
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { peerChain, verifySvid } from './svid.ts';
import type { SvidFault } from './svid.ts';
import { certificateFingerprint, readTrustBundle, toCaPem } from './trust-bundle.ts';
import type { TrustBundle } from './trust-bundle.ts';
import type { WorkloadSvid } from './workload-svid.ts';

export type PinnedRootFault = 'unreachable' | 'timeout' | 'root-not-offered' | SvidFault;

/**
 * A server's chain with the roots at its end, which it must send for workloads that know only a root's hash. (OpenSSL
 * adds the issuing root of a chain of one by itself; not behind an intermediate, and never the other roots.)
 */
export function withRoot(svid: WorkloadSvid, bundle: TrustBundle): WorkloadSvid {
  return { ...svid, certificatesPem: `${svid.certificatesPem}${toCaPem(bundle)}` };
}

/**
 * Connects, finds the pinned root in the chain of the server, verifies the server's leaf under it, and returns the
 * bundle of that one root. Sends nothing secret: the credential goes over a second connection that trusts only it.
 */
export function fetchPinnedRoot(options: {
  readonly host: string;
  readonly port: number;
  readonly trustDomain: string;
  readonly rootFingerprint: string;
  readonly timeoutMs: number;
  /** Unix time in ms. */
  readonly wallMs: () => number;
}): Promise<Result<TrustBundle, { readonly reason: PinnedRootFault; readonly detail: string }>> {
  return new Promise((resolve) => {
    const socket = connect({
      host: options.host,
      port: options.port,
      minVersion: 'TLSv1.3',
      // Nothing is trusted yet; the pin decides below, before a byte is sent or read.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    const finish = (result: Awaited<ReturnType<typeof fetchPinnedRoot>>) => {
      resolve(result);
      socket.destroy();
    };
    socket.setTimeout(options.timeoutMs, () => finish(fail({ reason: 'timeout', detail: '' })));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      finish(fail({ reason: 'unreachable', detail: error.code ?? error.message })),
    );
    socket.once('close', () => finish(fail({ reason: 'unreachable', detail: 'closed' })));
    socket.once('secureConnect', () => {
      const bundle = findPinned(socket, options.rootFingerprint, options.trustDomain);
      if (bundle === undefined) return finish(fail({ reason: 'root-not-offered', detail: '' }));
      // Not `checkPeer`: OpenSSL was given no roots, so its own verdict is always a fault.
      const server = verifySvid(peerChain(socket), bundle, options.wallMs(), 'server');
      return finish(server.ok ? ok(bundle) : server);
    });
  });
}

// Leaf, intermediates and a few roots side by side.
const longestChain = 16;

function findPinned(socket: TLSSocket, rootFingerprint: string, trustDomain: string): TrustBundle | undefined {
  let certificate = socket.getPeerX509Certificate();
  for (let depth = 0; certificate !== undefined && depth < longestChain; depth++) {
    if (certificateFingerprint(certificate) === rootFingerprint) {
      const bundle = readTrustBundle(certificate.toString(), trustDomain);
      return bundle.ok ? bundle.value : undefined;
    }
    certificate = certificate.issuerCertificate;
  }
  return undefined;
}
