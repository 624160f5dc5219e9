import {
  type ValueOf,
  dnsNameSchema,
  hostnames,
  integer,
  list,
  notServed,
  object,
  optional,
  required,
} from './field-vocabulary.ts';
import { backendTarget } from './route-filter.ts';
import { parentRef } from './route-parent.ts';

const backendRef = object({
  ...backendTarget,
  weight: optional(integer(0, 1_000_000), 'Share relative to the other backends of the rule.', '1'),
});

const rule = object({
  name: optional(dnsNameSchema, 'Name of the rule, for people.'),
  backendRefs: required(list(backendRef, 16, { min: 1 }), 'Where connections go, by weight.'),
});

/** Gateway API `TCPRoute`, for `Gateway` and `Service` parents. */
export const tcpRouteSpecSchema = object({
  parentRefs: optional(list(parentRef, 32), 'Gateways and Services that the route attaches to.'),
  rules: required(list(rule, 1, { min: 1 }), 'One rule: nothing of a TCP connection could tell several apart.'),
  useDefaultGateways: notServed('Default Gateways'),
});

/** Gateway API `TLSRoute`, for `Gateway` listeners that pass TLS through and for `Service` parents. */
export const tlsRouteSpecSchema = object(
  {
    parentRefs: optional(list(parentRef, 32), 'Gateways and Services that the route attaches to.'),
    hostnames: required(
      hostnames(),
      'Server names (SNI) that the route serves, under Services too. What is inside of TLS stays encrypted.',
    ),
    rules: required(list(rule, 1, { min: 1 }), 'One rule.'),
    useDefaultGateways: notServed('Default Gateways'),
  },
  (spec, report) => {
    if (spec.hostnames.length > 0) return;
    report(['hostnames'], 'missing-field', { message: 'hostnames is empty', expected: 'at least one server name' });
  },
);

export type TcpRouteSpec = ValueOf<typeof tcpRouteSpecSchema>;
export type TlsRouteSpec = ValueOf<typeof tlsRouteSpecSchema>;
