import type { Report } from '../schema/schema.ts';
import type { TextFormat } from '../schema/text-format.ts';
import { cors } from './cors.ts';
import {
  type ValueOf,
  choice,
  dnsNameSchema,
  hostnames,
  integer,
  list,
  notServed,
  object,
  optional,
  required,
  text,
} from './field-vocabulary.ts';
import { backendTarget, checkOnce, checkParameters, headerModifier, mirror } from './route-filter.ts';
import { parentRef } from './route-parent.ts';
import { checkRules } from './route-rules.ts';
import { checkPattern, headerMatch, matchType } from './value-match.ts';

const serviceName: TextFormat = {
  name: 'grpc-service',
  expected: 'a full service name such as shop.v1.Orders',
  matches: (value) => /^\.?[a-z_][a-z_0-9]*(?:\.[a-z_][a-z_0-9]*)*$/i.test(value),
};

const methodName: TextFormat = {
  name: 'grpc-method',
  expected: 'a method name such as GetOrder',
  matches: (value) => /^[a-z_][a-z_0-9]*$/i.test(value),
};

/** Empty is as good as absent, as the standard has it. */
const methodMatch = object(
  {
    type: optional(matchType, 'How service and method are compared.', 'Exact'),
    service: optional(text(1024, undefined, 0), 'Full name of the service. Absent: any.'),
    method: optional(text(1024, undefined, 0), 'Name of the method. Absent: any.'),
  },
  (match, report, checkRegularExpression) => {
    const { type, service = '', method = '' } = match;
    if (type === 'RegularExpression') {
      for (const name of ['service', 'method'] as const) {
        const value = match[name] ?? '';
        if (value === '') continue;
        checkPattern({ type, value }, (_, code, problem) => report([name], code, problem), checkRegularExpression);
      }
    } else {
      check(service, serviceName, 'service', report);
      check(method, methodName, 'method', report);
    }
    if (service === '' && method === '' && type !== undefined) {
      report([], 'conflicting-fields', {
        message: 'neither service nor method is given',
        fix: 'Give one, or remove it.',
      });
    }
  },
);

const grpcMatch = object({
  method: optional(methodMatch, 'Service and method must match.', 'all'),
  headers: optional(list(headerMatch, 16, { uniqueBy: 'name' }), 'All of them must match; metadata are headers.'),
});

const filterFields = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  CORS: 'cors',
} as const;

const filter = object(
  {
    type: required(
      choice(['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror', 'CORS'], ['ExtensionRef']),
      'Which filter; the field of its name holds its parameters.',
    ),
    requestHeaderModifier: optional(headerModifier, 'Changes metadata of requests.'),
    responseHeaderModifier: optional(headerModifier, 'Changes leading metadata of responses.'),
    requestMirror: optional(mirror, 'Sends copies elsewhere.'),
    cors: optional(cors, 'For gRPC-Web from pages of other origins. An addition of Weft to the standard.'),
    extensionRef: notServed('The ExtensionRef filter'),
  },
  (value, report) => checkParameters(value, filterFields, report),
);

const backendRef = object(
  {
    ...backendTarget,
    weight: optional(integer(0, 1_000_000), 'Share relative to the other backends of the rule.', '1'),
    filters: optional(list(filter, 16), 'Filters for requests that go to this backend.'),
  },
  (backend, report) => checkOnce(backend.filters ?? [], ['filters'], report),
);

const rule = object(
  {
    name: optional(dnsNameSchema, 'Name of the rule, for policies and people.'),
    matches: optional(list(grpcMatch, 64), 'One of them must match.', 'every gRPC request'),
    filters: optional(list(filter, 16), 'Filters for all requests of the rule.'),
    backendRefs: optional(
      list(backendRef, 16),
      'Where requests go, by weight. Under a Service parent, absent means that Service.',
    ),
    sessionPersistence: notServed('Session persistence'),
  },
  (value, report) => checkOnce(value.filters ?? [], ['filters'], report),
);

/** Gateway API `GRPCRoute` v1, for `Gateway` and `Service` parents. */
export const grpcRouteSpecSchema = object(
  {
    parentRefs: optional(list(parentRef, 32), 'Gateways and Services that the route attaches to.'),
    hostnames: optional(hostnames(), 'Hosts that the route serves on a Gateway; not used under a Service parent.'),
    rules: optional(list(rule, 16, { min: 1 }), 'Rules; the most specific match wins, not the first.'),
    useDefaultGateways: notServed('Default Gateways'),
  },
  (spec, report) => checkRules(spec.rules ?? [], report),
);

export type GrpcRouteSpec = ValueOf<typeof grpcRouteSpecSchema>;
export type GrpcRouteRule = ValueOf<typeof rule>;
export type GrpcRouteMatch = ValueOf<typeof grpcMatch>;
export type GrpcRouteFilter = ValueOf<typeof filter>;

function check(value: string, format: TextFormat, name: string, report: Report): void {
  if (value === '' || format.matches(value)) return;
  report([name], 'bad-value', { message: `${JSON.stringify(value)} is not allowed`, expected: format.expected });
}
