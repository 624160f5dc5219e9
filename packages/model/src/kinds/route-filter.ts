import type { Report } from '../schema/schema.ts';
import { headerName, headerValue } from '../schema/text-format.ts';
import { type ValueOf, dnsNameSchema, integer, list, object, optional, required, text } from './field-vocabulary.ts';

const headerField = object({
  name: required(text(256, headerName), 'Name of the header.'),
  value: required(text(4096, headerValue), 'Value of the header.'),
});

/** Headers that say where a message ends or belong to one connection: a filter that changed them would break framing. */
const framingHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Gateway API `HTTPHeaderFilter`, for requests and for responses. */
export const headerModifier = object(
  {
    set: optional(list(headerField, 16, { uniqueBy: 'name' }), 'Headers to overwrite.'),
    add: optional(list(headerField, 16, { uniqueBy: 'name' }), 'Headers to append to.'),
    remove: optional(list(text(256, headerName), 16, { uniqueBy: '' }), 'Headers to remove.'),
  },
  (modifier, report) => {
    const check = (name: string, path: readonly (string | number)[]): void => {
      if (!framingHeaders.has(name.toLowerCase())) return;
      report(path, 'bad-value', {
        message: `${name} frames the message and can't be changed`,
        expected: 'another header',
      });
    };
    for (const [index, { name }] of (modifier.set ?? []).entries()) check(name, ['set', index, 'name']);
    for (const [index, { name }] of (modifier.add ?? []).entries()) check(name, ['add', index, 'name']);
    for (const [index, name] of (modifier.remove ?? []).entries()) check(name, ['remove', index]);
  },
);

/** Fields of a reference to what gets requests. */
export const backendTarget = {
  group: optional(text(253, undefined, 0), 'Group of the backend.', '""'),
  kind: optional(text(63), 'Kind of the backend.', 'Service'),
  namespace: optional(dnsNameSchema, 'Namespace of the backend; another one needs a ReferenceGrant.', "the route's"),
  name: required(dnsNameSchema, 'Name of the backend.'),
  port: optional(integer(1, 65_535), 'Port of the Service; required for one.'),
};

/** Gateway API `HTTPRequestMirrorFilter`. */
export const mirror = object(
  {
    backendRef: required(object(backendTarget), 'Where copies go; their answers are dropped.'),
    percent: optional(integer(0, 100), 'Share of requests that are copied.', '100'),
    fraction: optional(
      object(
        {
          numerator: required(integer(0, 2_147_483_647), 'Of denominator requests, so many are copied.'),
          denominator: optional(integer(1, 2_147_483_647), 'Of so many requests.', '100'),
        },
        (fraction, report) => {
          if (fraction.numerator > (fraction.denominator ?? 100)) {
            report(['numerator'], 'out-of-range', { message: 'numerator is above denominator' });
          }
        },
      ),
      'Share of requests that are copied.',
    ),
  },
  (value, report) => {
    if (value.percent !== undefined && value.fraction !== undefined) {
      report(['percent'], 'conflicting-fields', {
        message: 'percent and fraction are both set',
        expected: 'one of them',
      });
    }
  },
);

export type RouteHeaderModifier = ValueOf<typeof headerModifier>;
export type RouteMirror = ValueOf<typeof mirror>;

/** A filter has the parameters of its type and of no other. `fields`: type to the field of its parameters. */
export function checkParameters<Type extends string>(
  filter: { readonly type: Type },
  fields: Readonly<Record<Type, string>>,
  report: Report,
): void {
  const given: Readonly<Record<string, unknown>> = { ...filter };
  for (const [type, name] of Object.entries<string>(fields)) {
    if ((given[name] !== undefined) === (filter.type === type)) continue;
    const message = filter.type === type ? `${name} is missing` : `${name} does not belong to type ${filter.type}`;
    report([name], 'conflicting-fields', { message, expected: fields[filter.type] });
  }
}

/** Each type once, but for mirrors. */
export function checkOnce(
  filters: readonly { readonly type: string }[],
  path: readonly string[],
  report: Report,
): void {
  const seen = new Set<string>();
  for (const [index, { type }] of filters.entries()) {
    if (type !== 'RequestMirror' && seen.has(type)) {
      report([...path, index, 'type'], 'duplicate-entry', { message: `${type} stands there twice`, expected: 'once' });
    }
    seen.add(type);
  }
}
