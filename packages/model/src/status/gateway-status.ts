import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import type { ObjectOf } from '../kinds/kind-table.ts';
import type { ObjectRef } from '../problem/problem.ts';
import { certificateFault } from '../view/certificate-reference.ts';
import type { Model } from '../view/model.ts';
import { attachments } from '../view/resolve-routes.ts';
import { isOurGateway, isServed, routeKinds } from '../view/route-attachment.ts';
import { type ListenerStatus, type ObjectStatus, condition } from './condition.ts';

/** A Gateway with all its listeners; empty when another controller serves it. */
export function gatewayStatus(model: Model, gateway: ObjectOf<'Gateway'>, object: ObjectRef): ObjectStatus {
  const { generation } = gateway.metadata;
  if (!isOurGateway(model, gateway)) {
    const known = model.object('GatewayClass', '', gateway.spec.gatewayClassName) !== undefined;
    const message = `GatewayClass ${gateway.spec.gatewayClassName} does not exist`;
    const conditions = known ? [] : [condition('Accepted', false, 'Pending', message, generation)];
    return { object, conditions, parents: [], listeners: [] };
  }
  const attached = attachments(model, gateway);
  const listeners = gateway.spec.listeners.map((listener): ListenerStatus => {
    const http = routeKinds(listener).length > 0;
    const message = http ? '' : `${listener.protocol} is not served`;
    const kinds = !http || isServed(listener);
    const fault = certificateFault(model, gateway, listener);
    return {
      name: listener.name,
      attachedRoutes: attached.filter(({ listeners: places }) => places.has(listener.name)).length,
      conditions: [
        condition('Accepted', http, http ? 'Accepted' : 'UnsupportedProtocol', message, generation),
        condition(
          'ResolvedRefs',
          kinds && fault === undefined,
          kinds ? (fault?.reason ?? 'ResolvedRefs') : 'InvalidRouteKinds',
          kinds ? (fault?.message ?? '') : `only ${routeKinds(listener).join(' and ')} is served there`,
          generation,
        ),
        condition('Conflicted', false, 'NoConflicts', '', generation),
      ],
    };
  });
  const unserved = gateway.spec.listeners.filter((listener) => !isServed(listener)).map(({ name }) => name);
  const some = unserved.length < gateway.spec.listeners.length;
  const accepted =
    unserved.length === 0
      ? condition('Accepted', true, 'Accepted', '', generation)
      : condition(
          'Accepted',
          some,
          'ListenersNotValid',
          `not served: ${unserved.sort(byCodeUnit).join(', ')}`,
          generation,
        );
  return { object, conditions: [accepted], parents: [], listeners };
}
