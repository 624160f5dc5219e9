import { hostname } from '../schema/text-format.ts';
import {
  type ValueOf,
  choice,
  dnsNameSchema,
  foreign,
  gatewayApiGroup,
  integer,
  labels,
  list,
  notServed,
  object,
  optional,
  required,
  text,
} from './field-vocabulary.ts';

const namespaceSelector = object({
  matchLabels: optional(labels(), 'Labels of the namespaces.'),
  matchExpressions: notServed('matchExpressions'),
});

const allowedRoutes = object({
  namespaces: optional(
    object(
      {
        from: optional(choice(['Same', 'All', 'Selector', 'None']), 'Namespaces whose routes may attach.', 'Same'),
        selector: optional(namespaceSelector, 'With from: Selector.'),
      },
      (value, report) => {
        if ((value.from === 'Selector') !== (value.selector !== undefined)) {
          report(['selector'], 'conflicting-fields', { message: 'selector and from: Selector need one another' });
        }
      },
    ),
    'Namespaces whose routes may attach.',
  ),
  kinds: optional(
    list(
      object({
        group: optional(text(253, undefined, 0), 'Group of the route kind.', gatewayApiGroup),
        kind: required(text(63), 'Route kind.'),
      }),
      8,
    ),
    'Route kinds that may attach.',
    'all that the protocol of the listener takes',
  ),
});

const listenerTls = object({
  mode: optional(
    choice(['Terminate', 'Passthrough']),
    'Passthrough leaves TLS to the backends and chooses them by server name.',
    'Terminate',
  ),
  certificateRefs: optional(
    list(
      object({
        group: optional(text(253, undefined, 0), 'Group of the object; "" for Secret.', ''),
        kind: optional(text(63), 'Secret.', 'Secret'),
        name: required(dnsNameSchema, 'Name of the Secret.'),
        namespace: optional(
          dnsNameSchema,
          'Namespace of the Secret; another one needs a ReferenceGrant.',
          "the Gateway's",
        ),
      }),
      64,
    ),
    'Certificates of an HTTPS listener; the first that there is serves. Secrets of the cluster, or files of the gateway.',
  ),
  frontendValidation: foreign('For listeners that terminate TLS.'),
  options: foreign(),
});

const listener = object({
  name: required(dnsNameSchema, 'Name of the listener, unique in the Gateway.'),
  hostname: optional(text(253, hostname), 'Host that the listener serves; may start with "*.". Absent: any.'),
  port: required(integer(1, 65_535), 'Port to listen on.'),
  protocol: required(
    text(255),
    'HTTP, HTTPS, TCP, or TLS with mode Passthrough. UDP is understood and reported as not served.',
  ),
  tls: optional(listenerTls, 'For HTTPS and TLS listeners.'),
  allowedRoutes: optional(allowedRoutes, 'Routes that may attach.'),
});

/** Gateway API `Gateway` v1. */
export const gatewaySpecSchema = object(
  {
    gatewayClassName: required(dnsNameSchema, 'GatewayClass whose controller serves this Gateway.'),
    listeners: required(list(listener, 64, { min: 1, uniqueBy: 'name' }), 'Listeners.'),
    addresses: notServed('Requested addresses'),
    infrastructure: foreign('For controllers that create the proxies of a Gateway.'),
    allowedListeners: notServed('ListenerSet'),
    backendTLS: notServed('Client certificates towards backends'),
    tls: notServed('TLS settings of the Gateway'),
  },
  (spec, report) => {
    const seen = new Map<string, string>();
    for (const [index, { name, hostname, port, protocol, tls }] of spec.listeners.entries()) {
      if (protocol === 'TLS' && tls?.mode !== 'Passthrough') {
        report(['listeners', index, 'tls', 'mode'], 'listener-not-served', {
          message: 'TLS listeners that terminate TLS are not served',
          expected: 'Passthrough',
        });
      } else if (protocol === 'HTTPS' && (tls?.mode === 'Passthrough' || (tls?.certificateRefs ?? []).length === 0)) {
        report(['listeners', index, 'tls'], 'listener-not-served', {
          message: 'an HTTPS listener terminates TLS and needs certificateRefs',
          expected: 'mode Terminate and certificateRefs',
        });
      } else if (protocol !== 'HTTP' && protocol !== 'HTTPS' && protocol !== 'TCP' && protocol !== 'TLS') {
        const message =
          protocol === 'UDP' ? 'UDP listeners are not served yet' : `unknown protocol ${JSON.stringify(protocol)}`;
        report(['listeners', index, 'protocol'], 'listener-not-served', {
          message,
          expected: 'HTTP, HTTPS, TCP or TLS',
        });
      }
      const key = `${port} ${protocol} ${hostname ?? ''}`;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, name);
      else {
        const message = `listener ${first} has the same port, protocol and hostname`;
        report(['listeners', index], 'duplicate-entry', { message });
      }
    }
  },
);

/** Gateway API `GatewayClass` v1. */
export const gatewayClassSpecSchema = object({
  controllerName: required(text(253), 'weft.dev/gateway-controller for Gateways that Weft serves.'),
  description: optional(text(64, undefined, 0), 'For people.'),
  parametersRef: notServed('parametersRef'),
});

/** `Namespace` v1: only its labels are read, for `allowedRoutes`. */
export const namespaceSpecSchema = object({ finalizers: foreign() });

export type GatewaySpec = ValueOf<typeof gatewaySpecSchema>;
export type GatewayListenerSpec = ValueOf<typeof listener>;
export type GatewayClassSpec = ValueOf<typeof gatewayClassSpecSchema>;
