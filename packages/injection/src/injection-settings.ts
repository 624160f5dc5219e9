/** What the mesh says about every sidecar it injects. */
export interface InjectionSettings {
  /** Reference of the image that is sidecar and capture at once. */
  readonly image: string;
  /** Empty leaves it to Kubernetes. */
  readonly imagePullPolicy: '' | 'Always' | 'IfNotPresent' | 'Never';
  /** Secrets of the pod's namespace to pull the image with. */
  readonly imagePullSecrets: readonly string[];
  /** `host:port` of the control plane, as pods reach it. */
  readonly controlAddress: string;
  readonly trustDomain: string;
  /** PEM of the roots that the control plane's certificate is checked against before anything is known of the mesh. */
  readonly rootsPem: string;
  /** Audience of the service account token that attests the pod; tokens for others are refused. */
  readonly tokenAudience: string;
  /** Whether rules are written by an init container, or pods get an explicit proxy and no rules. */
  readonly capture: CaptureMode;
  /** Legacy iptables opens a raw socket: the capture container then gets NET_RAW too. */
  readonly legacyIptables: boolean;
  /** Rules are written by the agent of the node, from outside: the sidecar only proves them, and the pod needs no privilege. */
  readonly cni: boolean;
  readonly logLevel: LogLevel;
  readonly size: SidecarSize;
}

export type CaptureMode = 'Redirect' | 'None';
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type SidecarSize = keyof typeof sidecarSizes;

export interface SidecarResources {
  readonly cpuRequest: string;
  /** Empty: none. A limited sidecar is throttled in the middle of a request, so no size has one. */
  readonly cpuLimit: string;
  readonly memoryRequest: string;
  readonly memoryLimit: string;
}

/** A sidecar at rest holds about 80 MiB; the rest is for connections, bodies under way and the configuration in use. */
export const sidecarSizes = {
  small: { cpuRequest: '20m', cpuLimit: '', memoryRequest: '96Mi', memoryLimit: '192Mi' },
  standard: { cpuRequest: '100m', cpuLimit: '', memoryRequest: '128Mi', memoryLimit: '512Mi' },
  large: { cpuRequest: '500m', cpuLimit: '', memoryRequest: '256Mi', memoryLimit: '1Gi' },
} as const satisfies Readonly<Record<string, SidecarResources>>;

/** User and group of the sidecar. Its own traffic is told from the application's by it, so no application may run as it. */
export const sidecarUser = 15_001;

/** With it a sidecar ends that finds no rules to lead traffic to it; any other end says nothing of capture. */
export const uncapturedExitCode = 4;

/** Ports of a pod that are the sidecar's. */
export const sidecarPorts = {
  stats: 15_000,
  outbound: 15_001,
  inbound: 15_006,
  metrics: 15_020,
  /** Nobody listens there: it answers only when what arrives from outside is redirected, so the readiness probe proves capture. */
  captureProof: 15_021,
} as const;
