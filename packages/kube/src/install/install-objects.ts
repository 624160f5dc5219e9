/** The objects of an installation, the same as the chart makes of the same values; a test compares them. */
import { accessObjects } from './access-objects.ts';
import { cniObjects } from './cni-objects.ts';
import type { InstallValues } from './install-values.ts';
import type { KubeObject } from './kube-object.ts';
import { webhookObjects } from './webhook-objects.ts';

const name = 'weft-control';
const selector = { 'app.kubernetes.io/name': name };

/** In the order in which they are to be made; the namespace itself first. */
export function installObjects(values: InstallValues): KubeObject[] {
  const { namespace, version, webhooks, gatewayClass } = values;
  const labels = { ...selector, 'app.kubernetes.io/part-of': 'weft', 'app.kubernetes.io/version': version };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...accessObjects(values, labels),
    serviceObject(values, labels),
    deploymentObject(values, labels),
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name, namespace, labels },
      spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: { matchLabels: selector } },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace, labels },
      spec: {
        podSelector: { matchLabels: selector },
        policyTypes: ['Ingress'],
        ingress: [15_012, 15_014, ...(webhooks.enabled ? [9443] : [])].map((port) => ({
          ports: [{ port, protocol: 'TCP' }],
        })),
      },
    },
    ...(values.cni.enabled ? cniObjects(values) : []),
    ...(webhooks.enabled ? webhookObjects(values, labels) : []),
    ...(gatewayClass === ''
      ? []
      : [
          {
            apiVersion: 'gateway.networking.k8s.io/v1',
            kind: 'GatewayClass',
            metadata: { name: gatewayClass, labels },
            spec: { controllerName: 'weft.dev/gateway-controller', description: 'Gateways that Weft serves' },
          },
        ]),
  ];
}

type Labels = Readonly<Record<string, string>>;

function serviceObject({ namespace, webhooks }: InstallValues, labels: Labels): KubeObject {
  const port = (portName: string, number: number, targetPort: number): object => ({
    name: portName,
    port: number,
    targetPort,
    protocol: 'TCP',
  });
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels },
    spec: {
      selector,
      ports: [
        port('tls-sync', 15_012, 15_012),
        port('http-metrics', 15_014, 15_014),
        ...(webhooks.enabled ? [port('https-webhook', 443, 9443)] : []),
      ],
    },
  };
}

function deploymentObject(values: InstallValues, labels: Labels): KubeObject {
  const { namespace, replicas, pullSecrets } = values;
  const spread = (topologyKey: string): object => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: selector },
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      replicas,
      revisionHistoryLimit: 3,
      selector: { matchLabels: selector },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels: { ...labels, 'weft.dev/inject': 'disabled' } },
        spec: {
          serviceAccountName: name,
          terminationGracePeriodSeconds: 30,
          ...(pullSecrets.length === 0 ? {} : { imagePullSecrets: pullSecrets.map((secret) => ({ name: secret })) }),
          topologySpreadConstraints: [spread('kubernetes.io/hostname'), spread('topology.kubernetes.io/zone')],
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 15_000,
            runAsGroup: 15_000,
            fsGroup: 15_000,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [containerObject(values)],
          volumes: [
            { name: 'state', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
            { name: 'temporary', emptyDir: { sizeLimit: '64Mi' } },
          ],
        },
      },
    },
  };
}

const LEAVE_SECONDS = 5;

function containerObject({ image, pullPolicy, webhooks, ...values }: InstallValues): object {
  const { namespace, logLevel, trustDomain, sidecar, cni } = values;
  const host = `${name}.${namespace}.svc`;
  const httpGet = (path: string): object => ({ httpGet: { path, port: 'http-metrics' } });
  return {
    name: 'control',
    image,
    ...(pullPolicy === '' ? {} : { imagePullPolicy: pullPolicy }),
    args: [
      'control',
      '--kubernetes',
      '--host=0.0.0.0',
      '--port=15012',
      '--metrics-host=0.0.0.0',
      '--metrics-port=15014',
      '--admin-port=15013',
      `--dashboard-port=${values.dashboard ? 15_080 : -1}`,
      '--state=/var/lib/weft/state',
      '--admin-socket=/var/lib/weft/run/control.sock',
      '--name=$(POD_NAME)',
      `--advertised-host=${host}`,
      `--log-level=${logLevel}`,
      '--log-format=json',
      ...(trustDomain === '' ? [] : [`--trust-domain=${trustDomain}`]),
      ...(webhooks.enabled
        ? [
            '--webhook-port=9443',
            `--service-host=${host}`,
            `--sidecar-image=${image}`,
            `--sidecar-pull-policy=${pullPolicy}`,
            `--sidecar-size=${sidecar.size}`,
            `--sidecar-log-level=${sidecar.logLevel}`,
            `--capture=${sidecar.capture}`,
            ...(sidecar.legacyIptables ? ['--legacy-iptables'] : []),
            ...(cni.enabled ? ['--cni'] : []),
          ]
        : []),
    ],
    env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    ports: [
      { name: 'weft-sync', containerPort: 15_012, protocol: 'TCP' },
      { name: 'http-metrics', containerPort: 15_014, protocol: 'TCP' },
      ...(webhooks.enabled ? [{ name: 'https-webhook', containerPort: 9443, protocol: 'TCP' }] : []),
    ],
    // Until every node has heard that it goes, API servers still call its webhooks.
    lifecycle: { preStop: { sleep: { seconds: LEAVE_SECONDS } } },
    startupProbe: { ...httpGet('/ready'), periodSeconds: 1, failureThreshold: 120 },
    readinessProbe: { ...httpGet('/ready'), periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 3 },
    livenessProbe: { ...httpGet('/live'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'state', mountPath: '/var/lib/weft' },
      { name: 'temporary', mountPath: '/tmp' },
    ],
  };
}
