/** Who may do what: the control plane's own roles, and those that people are given. */
import type { InstallValues } from './install-values.ts';
import type { KubeObject } from './kube-object.ts';

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

const rbac = 'rbac.authorization.k8s.io';
const rbacVersion = `${rbac}/v1`;
const ownKinds = ['authenticationpolicies', 'meshes', 'telemetrypolicies', 'trafficpolicies', 'workloadentries'];
const certificateRole = 'weft-gateway-certificates';
const gatewayKinds = ['gatewayclasses', 'gateways', 'grpcroutes', 'httproutes', 'tcproutes', 'tlsroutes'];

/** In all namespaces. */
export function clusterRules(hasWebhooks: boolean): PolicyRule[] {
  const status = (names: readonly string[]): string[] => names.map((name) => `${name}/status`);
  return [
    { apiGroups: [''], resources: ['namespaces', 'serviceaccounts', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    { apiGroups: ['weft.dev'], resources: ownKinds, verbs: ['list', 'watch'] },
    { apiGroups: ['weft.dev'], resources: status(ownKinds), verbs: ['patch'] },
    { apiGroups: ['gateway.networking.k8s.io'], resources: gatewayKinds, verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['gateway.networking.k8s.io'], resources: ['referencegrants'], verbs: ['list', 'watch'] },
    { apiGroups: ['gateway.networking.k8s.io'], resources: status(gatewayKinds), verbs: ['update'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
    // Where the server has it: to apply what is not there yet is to create it.
    {
      apiGroups: ['certificates.k8s.io'],
      resources: ['clustertrustbundles'],
      resourceNames: ['weft-mesh'],
      verbs: ['create', 'patch'],
    },
    ...(hasWebhooks
      ? [
          webhookRule('mutatingwebhookconfigurations', 'weft-injection'),
          webhookRule('validatingwebhookconfigurations', 'weft-validation'),
        ]
      : []),
  ];
}

/** In the control plane's own namespace: its Lease and Secrets by name; to create has no names in Kubernetes. */
export function ownRules(hasWebhooks: boolean): PolicyRule[] {
  const lease = { apiGroups: ['coordination.k8s.io'], resources: ['leases'] };
  const secret = { apiGroups: [''], resources: ['secrets'] };
  return [
    { ...lease, verbs: ['create'] },
    { ...lease, resourceNames: ['weft-control'], verbs: ['get', 'update'] },
    { ...secret, verbs: ['create'] },
    { ...secret, resourceNames: ['weft-root'], verbs: ['get', 'list', 'watch', 'update'] },
    ...(hasWebhooks ? [{ ...secret, resourceNames: ['weft-webhook'], verbs: ['get', 'update'] }] : []),
  ];
}

/**
 * Of people, in the control plane's namespace: the way to its ports, and a token of each of these accounts. A port forward
 * is a GET that is upgraded; newer API servers ask for `create` as well.
 */
function reachRules(accounts: readonly string[]): PolicyRule[] {
  return [
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['pods/portforward'], verbs: ['create', 'get'] },
    { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: accounts, verbs: ['create'] },
  ];
}

/** Secrets of Gateways in one namespace. */
function certificateRules(names: readonly string[]): PolicyRule[] {
  return [{ apiGroups: [''], resources: ['secrets'], resourceNames: names, verbs: ['get', 'list', 'watch'] }];
}

export function accessObjects(values: InstallValues, labels: Readonly<Record<string, string>>): KubeObject[] {
  const { namespace, webhooks } = values;
  const name = 'weft-control';
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  const role = (kind: string, roleName: string, rules: readonly PolicyRule[], more: object = {}): KubeObject => ({
    apiVersion: rbacVersion,
    kind,
    metadata: { name: roleName, ...(kind === 'Role' ? { namespace } : {}), labels: { ...labels, ...more } },
    rules,
  });
  const binding = (kind: string, roleKind: string): KubeObject => ({
    apiVersion: rbacVersion,
    kind,
    metadata: { name, ...(kind === 'RoleBinding' ? { namespace } : {}), labels },
    roleRef: { apiGroup: rbac, kind: roleKind, name },
    subjects,
  });
  // Nobody runs as these: people are given short tokens of them.
  const forPeople = (account: string): KubeObject[] => [
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account, namespace, labels },
      automountServiceAccountToken: false,
    },
    {
      apiVersion: rbacVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: account, labels },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: account },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
    },
  ];
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace, labels } },
    role('ClusterRole', name, clusterRules(webhooks.enabled)),
    binding('ClusterRoleBinding', 'ClusterRole'),
    role('Role', name, ownRules(webhooks.enabled)),
    binding('RoleBinding', 'Role'),
    role(
      'ClusterRole',
      'weft-edit',
      [
        {
          apiGroups: ['weft.dev'],
          resources: ['authenticationpolicies', 'telemetrypolicies', 'trafficpolicies', 'workloadentries'],
          verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
        },
      ],
      { [`${rbac}/aggregate-to-admin`]: 'true', [`${rbac}/aggregate-to-edit`]: 'true' },
    ),
    role(
      'ClusterRole',
      'weft-viewer',
      [
        { apiGroups: ['weft.dev'], resources: ownKinds, verbs: ['get', 'list', 'watch'] },
        { apiGroups: ['weft.dev'], resources: ['proxies/status', 'proxies/config'], verbs: ['get'] },
      ],
      { [`${rbac}/aggregate-to-view`]: 'true' },
    ),
    role('ClusterRole', 'weft-tap', [
      { apiGroups: ['weft.dev'], resources: ['proxies/status', 'proxies/config', 'proxies/tap'], verbs: ['get'] },
    ]),
    ...forPeople('weft-viewer'),
    ...forPeople('weft-tap'),
    role('Role', 'weft-viewer', reachRules(['weft-viewer'])),
    role('Role', 'weft-tap', reachRules(['weft-viewer', 'weft-tap'])),
    ...Object.entries(values.gatewayCertificates).flatMap(([place, names]): KubeObject[] => [
      {
        apiVersion: rbacVersion,
        kind: 'Role',
        metadata: { name: certificateRole, namespace: place, labels },
        rules: certificateRules(names),
      },
      {
        apiVersion: rbacVersion,
        kind: 'RoleBinding',
        metadata: { name: certificateRole, namespace: place, labels },
        roleRef: { apiGroup: rbac, kind: 'Role', name: certificateRole },
        subjects,
      },
    ]),
  ];
}

function webhookRule(resource: string, name: string): PolicyRule {
  return {
    apiGroups: ['admissionregistration.k8s.io'],
    resources: [resource],
    resourceNames: [name],
    verbs: ['get', 'update'],
  };
}
