/** The agents of nodes, for capture without privileges in pods (`cni.enabled`). */
import type { PolicyRule } from './access-objects.ts';
import type { InstallValues } from './install-values.ts';
import type { KubeObject } from './kube-object.ts';

const name = 'weft-cni';
const selector = { 'app.kubernetes.io/name': name };
const rbac = 'rbac.authorization.k8s.io';

/** In all namespaces: nothing that an agent does not call; nodes only where it takes their taint off. */
export function agentRules(hasTaint: boolean, evicts: boolean): PolicyRule[] {
  return [
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    ...(evicts ? [{ apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] }] : []),
    ...(hasTaint ? [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'patch'] }] : []),
    { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
  ];
}

export function cniObjects(values: InstallValues): KubeObject[] {
  const { namespace, version, cni } = values;
  const labels = { ...selector, 'app.kubernetes.io/part-of': 'weft', 'app.kubernetes.io/version': version };
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  const ownRule = { apiGroups: ['apps'], resources: ['daemonsets'], resourceNames: [name], verbs: ['get'] };
  const roleRef = (kind: string): object => ({ apiGroup: rbac, kind, name });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace, labels } },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name, labels },
      rules: agentRules(cni.taint !== '', cni.evict),
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name, labels },
      roleRef: roleRef('ClusterRole'),
      subjects,
    },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name, namespace, labels }, rules: [ownRule] },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name, namespace, labels },
      roleRef: roleRef('Role'),
      subjects,
    },
    daemonSet(values, labels),
  ];
}

function daemonSet(values: InstallValues, labels: Readonly<Record<string, string>>): KubeObject {
  const { namespace, pullSecrets, image, pullPolicy, cni, logLevel } = values;
  const probe = (path: string): object => ({ httpGet: { path, port: 'http-metrics' } });
  const folders = [
    { name: 'programs', path: cni.binDir, mountPath: cni.binDir },
    { name: 'networks', path: cni.confDir, mountPath: cni.confDir },
    { name: 'calls', path: '/run/weft-cni', mountPath: '/run/weft-cni' },
  ];
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace, labels },
    spec: {
      revisionHistoryLimit: 3,
      selector: { matchLabels: selector },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels: { ...labels, 'weft.dev/inject': 'disabled' } },
        spec: {
          serviceAccountName: name,
          priorityClassName: 'system-node-critical',
          terminationGracePeriodSeconds: 15,
          ...(pullSecrets.length === 0 ? {} : { imagePullSecrets: pullSecrets.map((secret) => ({ name: secret })) }),
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          tolerations: [{ operator: 'Exists' }],
          containers: [
            {
              name: 'agent',
              image,
              ...(pullPolicy === '' ? {} : { imagePullPolicy: pullPolicy }),
              args: [
                'cni',
                'agent',
                `--daemon-set=${name}`,
                `--bin-dir=${cni.binDir}`,
                `--conf-dir=${cni.confDir}`,
                ...(cni.confFile === '' ? [] : [`--conf-file=${cni.confFile}`]),
                `--exclude-namespaces=${cni.excludeNamespaces.join(',')}`,
                ...(cni.evict ? [] : ['--no-evict']),
                ...(cni.taint === '' ? [] : [`--taint=${cni.taint}`]),
                `--log-level=${logLevel}`,
              ],
              env: [{ name: 'WEFT_NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
              ports: [{ name: 'http-metrics', containerPort: 15_024, protocol: 'TCP' }],
              readinessProbe: { ...probe('/ready'), periodSeconds: 5, failureThreshold: 2 },
              livenessProbe: { ...probe('/live'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
              resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
              securityContext: {
                allowPrivilegeEscalation: false,
                privileged: false,
                readOnlyRootFilesystem: true,
                runAsUser: 0,
                runAsGroup: 0,
                runAsNonRoot: false,
                // The folders of the node are root's; the rules of pods are written by the plugin, which the runtime starts.
                capabilities: { drop: ['ALL'] },
                seccompProfile: { type: 'RuntimeDefault' },
              },
              volumeMounts: folders.map(({ name: volume, mountPath }) => ({ name: volume, mountPath })),
            },
          ],
          volumes: folders.map(({ name: volume, path }) => ({
            name: volume,
            hostPath: { path, type: 'DirectoryOrCreate' },
          })),
        },
      },
    },
  };
}
