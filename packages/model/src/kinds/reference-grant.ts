import { type ValueOf, dnsNameSchema, list, object, optional, required, text } from './field-vocabulary.ts';

/** Gateway API `ReferenceGrant`: the owner of a namespace lets objects elsewhere refer to what is in it. */
export const referenceGrantSpecSchema = object({
  from: required(
    list(
      object({
        group: required(text(253, undefined, 0), 'Group of the referring kind.'),
        kind: required(text(63), 'The referring kind.'),
        namespace: required(dnsNameSchema, 'Namespace of the referring objects.'),
      }),
      16,
      { min: 1 },
    ),
    'Who may refer.',
  ),
  to: required(
    list(
      object({
        group: required(text(253, undefined, 0), 'Group of the kind referred to; "" for Service.'),
        kind: required(text(63), 'The kind referred to.'),
        name: optional(dnsNameSchema, 'One object. Absent: all of the kind in this namespace.'),
      }),
      16,
      { min: 1 },
    ),
    'What may be referred to.',
  ),
});

export type ReferenceGrantSpec = ValueOf<typeof referenceGrantSpecSchema>;
