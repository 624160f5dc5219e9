import {
  type ValueOf,
  choice,
  integer,
  labels,
  list,
  notServed,
  object,
  optional,
  required,
} from './field-vocabulary.ts';
import { allowedTargets, checkTargets, targetRefs } from './policy-target.ts';

export const mtlsModeSchema = choice(['Strict', 'Permissive', 'Disabled']);

const mtls = object({
  mode: optional(
    mtlsModeSchema,
    'Who may connect: only the mesh, anyone, or nobody by mesh TLS.',
    'that of the Mesh: Permissive',
  ),
  ports: optional(
    list(
      object({
        port: required(integer(1, 65_535), 'Port of the application.'),
        mode: required(mtlsModeSchema, 'Mode of this port in place of mode.'),
      }),
      64,
      { uniqueBy: 'port' },
    ),
    'Ports with a mode of their own.',
  ),
});

/** `AuthenticationPolicy`: who may be believed, at a workload. */
export const authenticationPolicySpecSchema = object(
  {
    selector: optional(
      object({ matchLabels: required(labels(), 'Labels of the workloads.') }),
      'Workloads of this namespace. Neither selector nor targetRefs: all of it.',
    ),
    targetRefs: targetRefs(),
    mtls: optional(mtls, 'Mutual TLS on arrival. Of several policies that apply, the strictest answer holds.'),
    jwt: notServed('JWT authentication'),
    oidc: notServed('OIDC login'),
    apiKeys: notServed('API keys'),
  },
  (spec, report) => {
    if (spec.selector !== undefined && spec.targetRefs !== undefined) {
      report(['selector'], 'conflicting-fields', {
        message: 'selector and targetRefs are both set',
        expected: 'one of them',
      });
    }
    if (spec.selector !== undefined && Object.keys(spec.selector.matchLabels).length === 0) {
      const fix = 'Remove selector to mean the whole namespace.';
      report(['selector', 'matchLabels'], 'missing-field', { message: 'no labels', expected: 'at least one', fix });
    }
    checkTargets(spec.targetRefs, ['Service'], report);
    for (const [index, ref] of (spec.targetRefs ?? []).entries()) {
      if (ref.namespace === undefined) continue;
      report(['targetRefs', index, 'namespace'], 'conflicting-fields', {
        message: 'what is enforced on arrival is decided in the namespace of the workload',
        fix: 'Remove namespace.',
      });
    }
  },
  {
    cel: '!has(self.selector) || !has(self.targetRefs)',
    message: 'selector and targetRefs are both set; expected one of them',
    fieldPath: '.selector',
  },
  {
    cel: '!has(self.selector) || size(self.selector.matchLabels) > 0',
    message: 'no labels; remove selector to mean the whole namespace',
    fieldPath: '.selector.matchLabels',
  },
  allowedTargets(['Service']),
  {
    cel: '!has(self.targetRefs) || self.targetRefs.all(ref, !has(ref.namespace))',
    message: 'what is enforced on arrival is decided in the namespace of the workload; remove namespace',
    fieldPath: '.targetRefs',
  },
);

export type AuthenticationPolicySpec = ValueOf<typeof authenticationPolicySpecSchema>;
