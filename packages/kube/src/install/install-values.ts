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
    gatewayClass: 'weft',
    version,
  };
}
