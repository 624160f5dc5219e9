import { mtlsModeSchema } from './authentication-policy.ts';
import {
  type ValueOf,
  choice,
  dnsNameSchema,
  duration,
  list,
  notServed,
  object,
  optional,
} from './field-vocabulary.ts';
import { telemetrySchema } from './telemetry-policy.ts';
import { trafficSchema } from './traffic-policy.ts';

const HOUR_MS = 3_600_000;

const authentication = object({
  mtls: optional(
    object({ mode: optional(mtlsModeSchema, 'Mode of every port.', 'Permissive') }),
    'Mutual TLS on arrival.',
  ),
});

/** `Mesh`: the settings of the whole mesh; one object, `default`. */
export const meshSpecSchema = object({
  trustDomain: optional(dnsNameSchema, 'First part of every SPIFFE ID.', 'cluster.local'),
  trustDomainAliases: optional(
    list(dnsNameSchema, 16, { uniqueBy: '' }),
    'Trust domains whose identities are taken as ours.',
    '[]',
  ),
  identity: optional(
    object({
      issuer: optional(
        object({
          type: optional(choice(['BuiltIn'], ['Provided', 'CertManager', 'Spire']), 'Who signs leaves.', 'BuiltIn'),
        }),
        'Who signs leaves.',
      ),
      leafLifetime: optional(duration(5_000, 90 * 24 * HOUR_MS), 'Life of a workload certificate.', '24h'),
      rootLifetime: optional(duration(HOUR_MS, 99_999 * HOUR_MS), 'Life of the root certificate.', '87600h'),
    }),
    'Certificates.',
  ),
  egress: optional(
    choice(['AllowAny', 'DeclaredOnly']),
    'Whether calls may leave the mesh for hosts that nobody declared.',
    'AllowAny',
  ),
  discovery: optional(
    object({
      namespaceSelector: optional(
        object({ matchLabels: notServed('Selecting namespaces') }),
        'Namespaces of the mesh.',
        '{}: all',
      ),
      visibility: optional(
        choice(['Mesh', 'Namespace']),
        'Which names a workload sees: all, or those of its own namespace.',
        'Mesh',
      ),
    }),
    'Who sees what.',
  ),
  defaults: optional(
    object({
      traffic: optional(trafficSchema, 'Lowest layer of TrafficPolicy.'),
      authentication: optional(authentication, 'Where no AuthenticationPolicy applies.'),
      authorization: optional(choice(['AllowAll'], ['DenyAll']), 'Where no AuthorizationPolicy applies.', 'AllowAll'),
      telemetry: optional(telemetrySchema, 'Lowest layer of TelemetryPolicy.'),
    }),
    'What holds where nothing nearer says otherwise.',
  ),
  required: optional(
    object({
      authentication: optional(authentication, 'Nothing may be weaker.'),
      traffic: notServed('A floor under TrafficPolicy'),
      authorization: notServed('A floor under AuthorizationPolicy'),
      telemetry: notServed('A floor under TelemetryPolicy'),
    }),
    'A floor that nothing below may weaken.',
  ),
  gateway: optional(
    object({
      clientAddress: optional(
        object({
          trustedHops: optional(choice([0], [1, 2, 3, 4, 5, 6, 7, 8]), 'Proxies in front whose word is taken.', '0'),
          proxyProtocol: optional(
            choice(['Off', 'V2'], ['V1']),
            'V2: every connection to a Gateway begins with a PROXY protocol header, which a balancer in front writes; its source is the client.',
            'Off',
          ),
        }),
        "Where a client's address comes from.",
      ),
    }),
    'Settings of edge gateways; only the defaults are served yet.',
  ),
});

export type MeshSpec = ValueOf<typeof meshSpecSchema>;
