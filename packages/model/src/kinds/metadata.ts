import {
  type ValueOf,
  dnsNameSchema,
  foreign,
  integer,
  labels,
  object,
  optional,
  required,
  text,
  textMap,
  timestamp,
} from './field-vocabulary.ts';
import { labelKey } from '../schema/text-format.ts';

/** What every object says of itself. Fields that only Kubernetes uses are taken and not read. */
export const metadataSchema = object({
  name: required(dnsNameSchema, 'Name, unique per kind and namespace.'),
  namespace: optional(dnsNameSchema, 'Namespace; never for cluster-scoped kinds.', 'default'),
  labels: optional(labels(), 'Labels that selectors match.'),
  annotations: optional(textMap(labelKey, text(262_144, undefined, 0), 256), 'Notes that change nothing.'),
  uid: optional(text(128), 'Set by Kubernetes.'),
  generation: optional(integer(0, Number.MAX_SAFE_INTEGER), 'Set by Kubernetes; returned as observedGeneration.'),
  resourceVersion: optional(text(128), 'Set by Kubernetes.'),
  creationTimestamp: optional(timestamp(), 'Set by Kubernetes; decides which of two equals is the older.'),
  deletionTimestamp: foreign(),
  deletionGracePeriodSeconds: foreign(),
  finalizers: foreign(),
  generateName: foreign(),
  managedFields: foreign(),
  ownerReferences: foreign(),
  selfLink: foreign(),
});

export type RawMetadata = ValueOf<typeof metadataSchema>;

export interface Metadata {
  readonly name: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly generation: number;
  /** Unix milliseconds; 0 when the object has no age, as in files. */
  readonly createdAtMs: number;
}
