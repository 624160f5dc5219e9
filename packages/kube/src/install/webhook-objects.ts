import type { InstallValues } from './install-values.ts';
import type { KubeObject } from './kube-object.ts';

const registration = 'admissionregistration.k8s.io/v1';
const label = 'weft.dev/inject';

/** What the API server asks us about; the control plane itself writes the CA bundles. */
export function webhookObjects(values: InstallValues, labels: Readonly<Record<string, string>>): KubeObject[] {
  const { namespace, webhooks } = values;
  const common = (path: string): object => ({
    admissionReviewVersions: ['v1'],
    clientConfig: { service: { name: 'weft-control', namespace, path, port: 443 } },
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds: webhooks.timeoutSeconds,
  });
  const injection = (name: string, path: string, ofNamespace: object, ofPod: object): object => ({
    name,
    ...common(path),
    failurePolicy: webhooks.injectionFailurePolicy,
    reinvocationPolicy: 'IfNeeded',
    namespaceSelector: {
      matchExpressions: [
        ofNamespace,
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', namespace] },
      ],
    },
    objectSelector: { matchExpressions: [ofPod] },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'], scope: 'Namespaced' }],
  });
  const labelled = (operator: string, value: string): object => ({ key: label, operator, values: [value] });
  return [
    {
      apiVersion: registration,
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'weft-injection', labels },
      webhooks: [
        // Pods of namespaces that asked, but for those that opt out; elsewhere, pods that ask themselves.
        injection(
          'namespace.inject.weft.dev',
          '/inject/namespace',
          labelled('In', 'enabled'),
          labelled('NotIn', 'disabled'),
        ),
        injection('pod.inject.weft.dev', '/inject/pod', labelled('NotIn', 'enabled'), labelled('In', 'enabled')),
      ],
    },
    {
      apiVersion: registration,
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'weft-validation', labels },
      webhooks: [
        {
          name: 'validate.weft.dev',
          ...common('/validate'),
          failurePolicy: 'Ignore',
          rules: [
            {
              apiGroups: ['weft.dev'],
              apiVersions: ['v1alpha1'],
              resources: ['*'],
              operations: ['CREATE', 'UPDATE'],
              scope: '*',
            },
          ],
        },
      ],
    },
  ];
}
