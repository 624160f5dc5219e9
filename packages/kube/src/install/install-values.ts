/** What an installation may say: the chart's values, by the same names, with the same defaults. */
export interface InstallValues {
  readonly namespace: string;
  /** `repository:tag`. */
  readonly image: string;
  readonly pullPolicy: string;
  readonly pullSecrets: readonly string[];
  readonly replicas: number;
  readonly logLevel: string;
  readonly trustDomain: string;
  readonly sidecar: {
    readonly size: string;
    readonly logLevel: string;
    readonly capture: string;
    readonly legacyIptables: boolean;
  };
  readonly webhooks: {
    readonly enabled: boolean;
    readonly timeoutSeconds: number;
    readonly injectionFailurePolicy: string;
  };
  /** Agents of nodes write the rules of pods, which then need no privilege. */
  readonly cni: {
    readonly enabled: boolean;
    readonly binDir: string;
    readonly confDir: string;
    /** Empty: the first of the folder, which runtimes take. */
    readonly confFile: string;
    readonly excludeNamespaces: readonly string[];
    readonly evict: boolean;
    /** Empty: nodes have none. */
    readonly taint: string;
  };
  /** Whether pods have a dashboard, on their loopback. */
  readonly dashboard: boolean;
  /** Names of the Secrets that Gateways name, by namespace: no other is readable. */
  readonly gatewayCertificates: Readonly<Record<string, readonly string[]>>;
  /** Of the GatewayClass; empty makes none. */
  readonly gatewayClass: string;
  /** Of Weft. */
  readonly version: string;
}

export function defaultInstallValues(version: string): InstallValues {
  return {
    namespace: 'weft-system',
    image: `weft:${version}`,
    pullPolicy: 'IfNotPresent',
    pullSecrets: [],
    replicas: 2,
    logLevel: 'info',
    trustDomain: '',
    sidecar: { size: 'standard', logLevel: 'info', capture: 'Redirect', legacyIptables: false },
    webhooks: { enabled: true, timeoutSeconds: 5, injectionFailurePolicy: 'Fail' },
    dashboard: true,
    gatewayCertificates: {},
    cni: {
      enabled: false,
      binDir: '/opt/cni/bin',
      confDir: '/etc/cni/net.d',
      confFile: '',
      excludeNamespaces: ['kube-system'],
      evict: true,
      taint: '',
    },
    gatewayClass: 'weft',
    version,
  };
}
