export {
  type Authority,
  type AuthorityFault,
  type AuthorityMaterial,
  type IssueFault,
  type IssueRequest,
  type IssuedSvid,
  createAuthority,
  readAuthority,
} from './authority.ts';
export {
  type AuthorityFolder,
  type AuthorityFolderOptions,
  openAuthorityFolder,
  readAuthorityFiles,
} from './authority-folder.ts';
export { type CertificateFault } from './certificate-facts.ts';
export { type CsrFault, type KeyAndCsr, makeCsr, makeKeyAndCsr, readCsr } from './csr.ts';
export {
  type JoinSubject,
  type JoinToken,
  type JoinTokenFault,
  JoinTokenRegister,
  type RedeemFault,
  joinTokenLifetimeMs,
  readJoinToken,
  writeJoinToken,
} from './join-token.ts';
export { type PinnedRootFault, fetchPinnedRoot, withRoot } from './pinned-root.ts';
export {
  type LeafLife,
  Rotation,
  type RotationState,
  drainAtMs,
  leafBackdateMs,
  renewalAtMs,
  storedLeafLife,
} from './rotation.ts';
export { type SealedFileFault, openSealedFolder, readSealedFile, writeSealedFile } from './sealed-file.ts';
export {
  type ServerCertificate,
  createServerRoot,
  issueServerCertificate,
  serverRootEnd,
} from './server-certificate.ts';
export {
  type SpiffeId,
  type SpiffeIdFault,
  type WorkloadName,
  isTrustDomain,
  readSpiffeId,
  readWorkloadName,
  workloadId,
} from './spiffe-id.ts';
export { type StateFolder, type StoredState, openStateFolder } from './state-folder.ts';
export {
  type PeerIdentity,
  type PeerRole,
  type SvidFault,
  type SvidRefusal,
  checkPeer,
  isVouchedFor,
  peerChain,
  verifySvid,
} from './svid.ts';
export {
  type KeyAgreement,
  type MeshContext,
  type MeshProtocol,
  meshClientOptions,
  meshContext,
  meshProtocol,
  meshProtocols,
  meshServerOptions,
} from './tls-context.ts';
export {
  type TrustBundle,
  type TrustBundleFault,
  type TrustRoot,
  certificateFingerprint,
  readTrustBundle,
  toCaPem,
  uniteBundles,
  withoutRoot,
} from './trust-bundle.ts';
export { type WorkloadSvid, type WorkloadSvidFault, readWorkloadSvid } from './workload-svid.ts';
