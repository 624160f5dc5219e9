import type { PeerCertificate, SecureContext } from 'node:tls';

/** TLS towards the control plane. */
export interface ClientTls {
  /** Roots, and the workload's leaf and key if it has them; TLS 1.3. */
  readonly context: SecureContext;
  /**
   * Judges the server's certificate after OpenSSL has verified its chain against the roots; an error ends the connection
   * before anything is sent.
   */
  readonly verifyServer: (certificate: PeerCertificate) => Error | undefined;
}
