import { type AnyRoute, type ObjectOf, keyOf } from '../kinds/kind-table.ts';
import type { RouteParentRef } from '../kinds/route-parent.ts';
import { resolveReference } from '../view/backend-reference.ts';
import { type Model, backendsOf, parentOf } from '../view/model.ts';
import { attachments, rivalOf } from '../view/resolve-routes.ts';
import {
  type GatewayAttachment,
  type ServiceAttachment,
  attachToGateway,
  attachToService,
  gatewayController,
  hostnamesOf,
  isOpaque,
  isOurGateway,
  meshController,
} from '../view/route-attachment.ts';
import { type Condition, type ParentReference, type ParentStatus, condition } from './condition.ts';

/** One entry per parentRef that is ours to report on, with the standard's reasons. */
export function routeParents(model: Model, route: AnyRoute): ParentStatus[] {
  const { namespace, generation } = route.metadata;
  const resolved = resolvedRefs(model, route);
  const parents: ParentStatus[] = [];
  for (const ref of route.spec.parentRefs ?? []) {
    const parent = parentOf(ref, namespace);
    if (parent === undefined) continue;
    const [parentNamespace = '', name = ''] = parent.key.split('/');
    let attachment;
    if (parent.kind === 'Service') {
      attachment = withoutRivals(
        model,
        route,
        model.service(parent.key),
        attachToService(model.service(parent.key), ref, route.kind),
      );
    } else {
      const gateway = model.object('Gateway', parentNamespace, name);
      // A Gateway of another controller is that controller's to report on.
      if (gateway !== undefined && !isOurGateway(model, gateway)) continue;
      attachment =
        gateway === undefined
          ? { ok: false as const, reason: 'NoMatchingParent', message: `Gateway ${parent.key} does not exist` }
          : onGateway(model, gateway, route, ref);
    }
    const unused = parent.kind === 'Service' && !isOpaque(route.kind) && hostnamesOf(route).length > 0;
    const accepted = attachment.ok
      ? condition('Accepted', true, 'Accepted', unused ? 'hostnames are not used under a Service' : '', generation)
      : condition('Accepted', false, attachment.reason, attachment.message, generation);
    parents.push({
      parent: routeParentReference(ref, parent.kind, parentNamespace),
      controllerName: parent.kind === 'Service' ? meshController : gatewayController,
      conditions: [accepted, resolved],
    });
  }
  return parents;
}

/** The most specific kind of route at a port of a Service holds alone. */
function withoutRivals(
  model: Model,
  route: AnyRoute,
  service: ObjectOf<'Service'> | undefined,
  attachment: ServiceAttachment,
): ServiceAttachment {
  if (!attachment.ok || service === undefined || route.kind === 'GRPCRoute') return attachment;
  const rivals = attachment.ports.map((port) => rivalOf(model, service, port, route));
  const rival = rivals[0];
  if (rival === undefined || rivals.includes(undefined)) return attachment;
  const message = `${rival.kind} ${rival.metadata.namespace}/${rival.metadata.name} holds the port; kinds of routes are not mixed`;
  return { ok: false, reason: 'RouteTypeConflict', message };
}

function onGateway(
  model: Model,
  gateway: ObjectOf<'Gateway'>,
  route: AnyRoute,
  ref: RouteParentRef,
): GatewayAttachment {
  const attachment = attachToGateway(model, gateway, route, ref);
  if (!attachment.ok) return attachment;
  const key = keyOf(route);
  const own = attachments(model, gateway).find((each) => keyOf(each.route) === key);
  const held = attachment.listeners.filter(({ listener }) => own?.listeners.has(listener.name) === true);
  if (held.length > 0) return { ok: true, listeners: held };
  const rival = own?.conflicts.values().next().value ?? '';
  const message = `${rival.replace('/', ' ')} comes first and serves the same host; kinds of routes are not mixed`;
  return { ok: false, reason: 'RouteTypeConflict', message };
}

function resolvedRefs(model: Model, route: AnyRoute): Condition {
  const { generation } = route.metadata;
  const faults: string[] = [];
  let reason = '';
  for (const ref of backendsOf(route)) {
    const resolved = resolveReference(model, route, ref);
    if (resolved.ok) continue;
    if (reason === '') reason = resolved.reason;
    if (!faults.includes(resolved.message)) faults.push(resolved.message);
  }
  if (reason === '') return condition('ResolvedRefs', true, 'ResolvedRefs', '', generation);
  return condition('ResolvedRefs', false, reason, faults.slice(0, 8).join('; '), generation);
}

function routeParentReference(ref: RouteParentRef, kind: 'Service' | 'Gateway', namespace: string): ParentReference {
  return {
    group: kind === 'Service' ? '' : 'gateway.networking.k8s.io',
    kind,
    namespace,
    name: ref.name,
    sectionName: ref.sectionName ?? '',
    port: ref.port ?? 0,
  };
}
