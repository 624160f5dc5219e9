import {
  type ValueOf,
  dnsNameSchema,
  gatewayApiGroup,
  integer,
  object,
  optional,
  required,
  text,
} from './field-vocabulary.ts';

/** What a route of any kind attaches to (Gateway API `ParentReference`). */
export const parentRef = object({
  group: optional(text(253, undefined, 0), 'Group of the parent; "" for a Service.', gatewayApiGroup),
  kind: optional(text(63), 'Gateway or Service.', 'Gateway'),
  namespace: optional(dnsNameSchema, 'Namespace of the parent.', "the route's"),
  name: required(dnsNameSchema, 'Name of the parent.'),
  sectionName: optional(dnsNameSchema, 'One listener of the Gateway, or one named port of the Service.'),
  port: optional(integer(1, 65_535), 'Only this port of the parent.'),
});

export type RouteParentRef = ValueOf<typeof parentRef>;
