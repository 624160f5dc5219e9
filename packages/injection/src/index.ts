export { type ApplicationProbe, type ProbeTable, probePathPrefix, readProbeTable } from './application-probe.ts';
export { type InjectedSidecar, readInjectedSidecar } from './injected-sidecar.ts';
export { type PodInjection, type PodPlace, injectPod } from './inject-pod.ts';
export { captureRulesVariable, drainKeyHeader, sidecarAllocator, sidecarNodeOptions } from './injected-container.ts';
export { type LeaveReason, captureContainer, injectLabel, sidecarContainer } from './injection-verdict.ts';
export {
  type CaptureMode,
  type InjectionSettings,
  type LogLevel,
  type SidecarResources,
  type SidecarSize,
  sidecarPorts,
  sidecarSizes,
  sidecarUser,
  uncapturedExitCode,
} from './injection-settings.ts';
export { type JsonMap, isMap, mapOf, mapsOf, textOf } from './json-map.ts';
export { type PatchOperation, patchOf } from './pod-patch.ts';
export { podAnnotations } from './pod-settings.ts';
export { type PodTemplate, podTemplates } from './pod-template.ts';
