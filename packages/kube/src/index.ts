export { type ClusterAccess, inClusterAccess } from './client/cluster-access.ts';
export { type BreakerState, KubeClient, type KubeRequest, type KubeStream } from './client/kube-client.ts';
export { kubeconfigAccess } from './client/kubeconfig.ts';
export { type PodPort, forwardPort } from './client/port-forward.ts';
export type { KubeFault, KubeFaultCode } from './client/kube-fault.ts';
export { customResources } from './crd/custom-resource.ts';
export { type JsonSchema, jsonSchemas } from './crd/json-schema.ts';
export { typescriptTypes } from './crd/typescript-types.ts';
export { ClusterTranslation, type TranslatedObject, type TranslationUpdate } from './translate/cluster-translation.ts';
export { type PodFacts, type SliceEndpoint, type SliceFacts, podFacts } from './translate/raw-kinds.ts';
export { type ServedKind, type WantedKind, collectionPath, discover, objectPath } from './watch/api-discovery.ts';
export { ClusterWatch, type ClusterWatchOptions, type WatchLog } from './watch/cluster-watch.ts';
export { KindWatch, type ObjectName, type RawObject, type WatchedKind } from './watch/kind-watch.ts';
export { type DesiredStatus, mergeStatus } from './write/desired-status.ts';
export { EventRecorder, type EventRecorderOptions, type Regarding } from './write/event-recorder.ts';
export { LeaseElector, type LeaseElectorOptions } from './write/lease-elector.ts';
export { type SecretContent, SecretStore } from './write/secret-store.ts';
export { StatusWriter, type StatusWriterOptions } from './write/status-writer.ts';
export { type AccessQuestion, type ReviewedToken, reviewAccess, reviewToken } from './write/token-review.ts';
export { type PolicyRule, clusterRules, ownRules } from './install/access-objects.ts';
export { type AskedToken, requestToken } from './write/token-request.ts';
export { agentRules } from './install/cni-objects.ts';
export { installObjects } from './install/install-objects.ts';
export { type InstallValues, defaultInstallValues } from './install/install-values.ts';
export type { KubeObject } from './install/kube-object.ts';
export { type ClusterCheckOptions, type ClusterFinding, checkCluster } from './install/cluster-check.ts';
export {
  type ObjectOutcome,
  applyObjects,
  deleteCounts,
  deleteObjects,
  madeAtRuntime,
  podsWith,
} from './install/installer.ts';
