import { type PortRange, joinPortRanges, writeAddressRange, writeDuration, writePortRanges } from '@weft/kernel';
import type { ProbeTable } from './application-probe.ts';
import { writeProbeTable } from './application-probe.ts';
import { captureContainer, sidecarContainer } from './injection-verdict.ts';
import { type InjectionSettings, sidecarPorts, sidecarUser } from './injection-settings.ts';
import type { JsonMap } from './json-map.ts';
import type { PodSettings } from './pod-settings.ts';

/** What the sidecar must know of its pod beyond what Kubernetes tells it by itself. */
export interface SidecarFacts {
  /** Name of the workload: of the deployment, not of the pod. */
  readonly workload: string;
  /** Ports the application declares, `name=8080` or `8080`. */
  readonly ports: readonly string[];
  readonly probes: ProbeTable;
  /** `8080/metrics`; empty when the application offers none. */
  readonly metrics: string;
  readonly drainDeadlineMs: number;
  readonly drainKey: string;
}

/** Why a container of ours ended stands in the status of its pod: what it said last, where it wrote no message of its own. */
const endingTold: JsonMap = { terminationMessagePolicy: 'FallbackToLogsOnError' };
/** In the image: ends when the sidecar is ready, and fails with the reason when it is not within half a minute. */
const awaitReady = '/weft/bin/await-ready';
/**
 * Options of V8 for a sidecar, which has about one core and few megabytes. Said here, so that the sidecar need not start Node a
 * second time to say them; `weft proxy` says the same where nobody has.
 */
export const sidecarNodeOptions = '--max-semi-space-size=1 --v8-pool-size=1';
/** One heap for all threads, which glibc reads before Node starts. As with the options, `weft proxy` says it where nobody has. */
export const sidecarAllocator: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };

const stateVolume = 'weft-state';
const tokenVolume = 'weft-token';
const stateFolder = '/var/run/weft';
const tokenFolder = '/var/run/secrets/weft';
/** The kubelet makes a new one at 80 % of it. */
const TOKEN_SECONDS = 3_600;

/** Variable by which a later injection finds the probes of an earlier one. */
export const probesVariable = 'WEFT_APP_PROBES';
export const metricsVariable = 'WEFT_APP_METRICS';
export const drainKeyVariable = 'WEFT_DRAIN_KEY';
/** What is to be redirected, where the agent of the node writes the rules: the sidecar does not start without them. */
export const captureRulesVariable = 'WEFT_CAPTURE_RULES';
/** Carries the key of `/drain/wait`. */
export const drainKeyHeader = 'weft-drain-key';

/**
 * The sidecar: an init container that Kubernetes keeps running, so that the application starts after it is ready and a job
 * ends without it.
 *
 * The kubelet waits for a hook after the start, and not for a start-up probe: it looks at probes once a second, and only once it
 * has seen the container run, which together is one to two seconds of each pod's start. The hook fails after half a minute with what the
 * sidecar says of itself; then the container is started again. What a start-up probe would show beside that, the readiness probe
 * does: it goes to a port that answers only when what arrives is redirected.
 */
export function makeSidecar(settings: InjectionSettings, pod: PodSettings, facts: SidecarFacts): JsonMap {
  const captured = pod.capture === 'Redirect';
  const readyPort = captured ? sidecarPorts.captureProof : sidecarPorts.metrics;
  const { cpuRequest, cpuLimit, memoryRequest, memoryLimit } = pod.resources;
  return {
    name: sidecarContainer,
    image: pod.image,
    ...pullPolicy(settings),
    args: ['proxy'],
    restartPolicy: 'Always',
    ...endingTold,
    env: [
      fromField('WEFT_INSTANCE', 'metadata.name'),
      fromField('WEFT_NAMESPACE', 'metadata.namespace'),
      fromField('WEFT_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
      fromField('WEFT_NODE', 'spec.nodeName'),
      fromField('WEFT_MESH_HOST', 'status.podIP'),
      fromField('WEFT_METRICS_HOST', 'status.podIP'),
      ...variables({
        WEFT_NAME: facts.workload,
        WEFT_CONTROL: settings.controlAddress,
        WEFT_TRUST_DOMAIN: settings.trustDomain,
        WEFT_ROOTS: settings.rootsPem,
        WEFT_TOKEN_FILE: `${tokenFolder}/token`,
        WEFT_STATE: `${stateFolder}/state`,
        WEFT_CAPTURE: captured ? 'redirect' : '',
        [captureRulesVariable]: captured && settings.cni ? captureArguments(pod).join(' ') : '',
        WEFT_PORTS: facts.ports.join(','),
        WEFT_OPAQUE_PORTS: writePortRanges(pod.opaquePorts),
        WEFT_LOG_LEVEL: pod.logLevel,
        WEFT_DRAIN_DEADLINE: writeDuration(facts.drainDeadlineMs),
        [probesVariable]: Object.keys(facts.probes).length === 0 ? '' : writeProbeTable(facts.probes),
        [metricsVariable]: facts.metrics,
        [drainKeyVariable]: facts.drainKey,
        NODE_OPTIONS: sidecarNodeOptions,
        ...sidecarAllocator,
      }),
    ],
    ports: [{ name: 'weft-metrics', containerPort: sidecarPorts.metrics, protocol: 'TCP' }],
    lifecycle: { postStart: { exec: { command: [awaitReady] } } },
    readinessProbe: {
      httpGet: { path: '/ready', port: readyPort, scheme: 'HTTP' },
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold: 3,
    },
    resources: {
      requests: { cpu: cpuRequest, memory: memoryRequest },
      limits: { ...(cpuLimit === '' ? {} : { cpu: cpuLimit }), memory: memoryLimit },
    },
    securityContext: { ...leastPrivilege([]), runAsUser: sidecarUser, runAsGroup: sidecarUser, runAsNonRoot: true },
    volumeMounts: [
      { name: stateVolume, mountPath: stateFolder },
      { name: tokenVolume, mountPath: tokenFolder, readOnly: true },
    ],
  };
}

/**
 * Writes the rules that lead the pod's traffic through the sidecar, proves the way out, and ends. There is none where the agent of
 * the node writes them: each container that has to end before the next starts is up to a second of the kubelet's.
 */
export function makeCapture(settings: InjectionSettings, pod: PodSettings): JsonMap {
  return {
    name: captureContainer,
    image: pod.image,
    ...pullPolicy(settings),
    args: ['capture', 'apply', '--prove', ...captureArguments(pod)],
    ...endingTold,
    // Its lock would stand in /run, which cannot be written.
    ...(settings.legacyIptables ? { env: variables({ XTABLES_LOCKFILE: '/dev/shm/xtables.lock' }) } : {}),
    resources: { requests: { cpu: '10m', memory: '48Mi' }, limits: { memory: '128Mi' } },
    securityContext: privileged(settings),
  };
}

/** What is redirected, as the command line has it. */
function captureArguments(pod: PodSettings): string[] {
  const inbound = exceptions('--exclude-inbound-ports', [
    ...pod.excludedInboundPorts,
    { from: sidecarPorts.metrics, to: sidecarPorts.metrics },
  ]);
  const outbound = exceptions('--exclude-outbound-ports', pod.excludedOutboundPorts);
  const ranges = pod.excludedOutboundRanges.map(writeAddressRange).join(',');
  return [
    '--inbound=all',
    '--outbound=all',
    ...inbound,
    ...outbound,
    ...(ranges === '' ? [] : [`--exclude-outbound-ranges=${ranges}`]),
  ];
}

/** Of nothing but the network of its pod. */
function privileged(settings: InjectionSettings): JsonMap {
  return {
    ...leastPrivilege(settings.legacyIptables ? ['NET_ADMIN', 'NET_RAW'] : ['NET_ADMIN']),
    runAsUser: 0,
    runAsGroup: 0,
    runAsNonRoot: false,
  };
}

/** Memory for keys and configuration, which never reach a disk, and the token that attests the pod. */
export function makeVolumes(settings: InjectionSettings): JsonMap[] {
  const token = { audience: settings.tokenAudience, expirationSeconds: TOKEN_SECONDS, path: 'token' };
  return [
    { name: stateVolume, emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    { name: tokenVolume, projected: { sources: [{ serviceAccountToken: token }] } },
  ];
}

export function isOurVolume(volume: JsonMap): boolean {
  return volume['name'] === stateVolume || volume['name'] === tokenVolume;
}

function leastPrivilege(capabilities: readonly string[]): JsonMap {
  return {
    allowPrivilegeEscalation: false,
    privileged: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], ...(capabilities.length === 0 ? {} : { add: capabilities }) },
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

function pullPolicy({ imagePullPolicy }: InjectionSettings): JsonMap {
  return imagePullPolicy === '' ? {} : { imagePullPolicy };
}

function exceptions(flag: string, ranges: readonly PortRange[]): string[] {
  return ranges.length === 0 ? [] : [`${flag}=${writePortRanges(joinPortRanges(ranges))}`];
}

function fromField(name: string, fieldPath: string): JsonMap {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** What is empty is left out. */
function variables(values: Readonly<Record<string, string>>): JsonMap[] {
  return Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => ({ name, value }));
}
