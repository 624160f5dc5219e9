import type { CelRule, Report } from '../schema/schema.ts';
import {
  type ValueOf,
  dnsNameSchema,
  gatewayApiGroup,
  list,
  object,
  required,
  optional,
  text,
} from './field-vocabulary.ts';

const targetRef = object({
  group: required(text(253, undefined, 0), 'Group of the target: "" for a Service.'),
  kind: required(text(63), 'Kind of the target.'),
  name: required(dnsNameSchema, 'Name of the target.'),
  namespace: optional(
    dnsNameSchema,
    'Namespace of the target; another one makes this a policy of the consumer.',
    "the policy's",
  ),
  sectionName: optional(dnsNameSchema, 'A port of the Service, a rule of the route or a listener of the Gateway.'),
});

export type PolicyTargetRef = ValueOf<typeof targetRef>;

export function targetRefs() {
  return optional(
    list(targetRef, 16, { min: 1, uniqueBy: '' }),
    'What the policy is about. Absent: its own namespace.',
  );
}

/** Checks that the kinds of targets are among `allowed` and that only Services are named across namespaces. */
export function checkTargets(
  refs: readonly PolicyTargetRef[] | undefined,
  allowed: readonly TargetKind[],
  report: Report,
): void {
  for (const [index, ref] of (refs ?? []).entries()) {
    const kind = targetKind(ref);
    if (kind === undefined || !allowed.includes(kind)) {
      const message = `${ref.group === '' ? 'core' : ref.group}/${ref.kind} can't be a target of this kind`;
      report(['targetRefs', index, 'kind'], 'bad-value', {
        message,
        expected: allowed.map((name) => nameWithGroup(name)).join(' or '),
      });
    } else if (kind !== 'Service' && ref.namespace !== undefined) {
      const message = `a ${kind} is targeted in the policy's own namespace only`;
      report(['targetRefs', index, 'namespace'], 'conflicting-fields', { message, fix: 'Remove namespace.' });
    }
  }
}

/** As `checkTargets` says it. */
export function allowedTargets(kinds: readonly TargetKind[]): CelRule {
  const pairs = kinds.map((kind) => `${kind === 'Service' ? '' : gatewayApiGroup}/${kind}`);
  return {
    cel: `!has(self.targetRefs) || self.targetRefs.all(ref, (ref.group + '/' + ref.kind) in ${celList(pairs)})`,
    message: `expected ${kinds.map((name) => nameWithGroup(name)).join(' or ')}`,
    fieldPath: '.targetRefs',
  };
}

export type TargetKind = 'Service' | 'HTTPRoute' | 'GRPCRoute' | 'Gateway';

export function targetKind(ref: { readonly group: string; readonly kind: string }): TargetKind | undefined {
  if (ref.group === '' && ref.kind === 'Service') return 'Service';
  if (ref.group !== gatewayApiGroup) return undefined;
  return ref.kind === 'HTTPRoute' || ref.kind === 'GRPCRoute' || ref.kind === 'Gateway' ? ref.kind : undefined;
}

function celList(texts: readonly string[]): string {
  return `[${texts.map((text) => `'${text}'`).join(', ')}]`;
}

function nameWithGroup(kind: TargetKind): string {
  return kind === 'Service' ? 'Service (group "")' : `${kind} (group ${gatewayApiGroup})`;
}
