/** The messages of proto/weft/v1/identity.proto. */
import { bytes, bytesList, integer, text } from './message/field.ts';
import { type Message, message, optional } from './message/message.ts';
import { type TrustBundleMessage, trustBundleMessage } from './sync-message.ts';

/** A PKCS #10 request with a P-256 key has about 250 bytes. */
const CSR_BYTES = 8192;
/** Projected tokens have about 1 KiB. */
const TOKEN_BYTES = 16_384;

/** Exactly one of `joinToken`, `serviceAccountToken` (not empty) and `certificate` (not null) attests. */
export interface IssueRequest {
  /** DER. */
  readonly csr: Uint8Array;
  readonly joinToken: string;
  /** Of a pod's service account, bound to the pod. */
  readonly serviceAccountToken: string;
  /** Renew what the connection's client certificate says. */
  readonly certificate: ExistingCertificate | null;
}

/** Says nothing more: the connection itself is the proof. */
export type ExistingCertificate = Record<never, never>;

export interface IssueResponse {
  /** DER, the leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  readonly trustBundle: TrustBundleMessage | null;
  readonly notAfterMs: number;
  readonly identity: string;
}

const existingCertificate = message<ExistingCertificate>('ExistingCertificate', {});

export const issueRequest: Message<IssueRequest> = message<IssueRequest>('IssueRequest', {
  csr: bytes(1, CSR_BYTES, true),
  joinToken: text(2, 4096),
  certificate: optional(3, existingCertificate),
  serviceAccountToken: text(4, TOKEN_BYTES),
});

export const issueResponse: Message<IssueResponse> = message<IssueResponse>('IssueResponse', {
  chain: bytesList(1, 64 * 1024, 16),
  trustBundle: optional(2, trustBundleMessage),
  notAfterMs: integer(3, 'uint64', 0, Number.MAX_SAFE_INTEGER),
  identity: text(4, 2048, true),
});
