import { ipAddress, portName } from '../schema/text-format.ts';
import {
  type ValueOf,
  dnsNameSchema,
  integer,
  labels,
  list,
  object,
  optional,
  required,
  text,
} from './field-vocabulary.ts';

/** An instance that is not a pod: a process on a laptop, a virtual machine. */
export const workloadEntrySpecSchema = object(
  {
    address: required(text(45, ipAddress), 'Where the application listens.'),
    ports: optional(
      list(
        object({
          name: optional(text(15, portName), 'Name that a Service may give as targetPort.'),
          port: required(integer(1, 65_535), 'Port of the application.'),
        }),
        64,
      ),
      'Ports of the application. Absent: any port that a Service names by number.',
    ),
    serviceAccount: optional(dnsNameSchema, 'Account whose identity the workload has.', 'default'),
    labels: optional(labels(), 'Labels that Service selectors match.', 'the labels of metadata'),
    zone: optional(text(63), 'Zone, for locality. Absent: unknown, never preferred.'),
    weight: optional(
      integer(0, 10_000),
      'Share relative to the other instances; 0 draws nothing unless all are 0.',
      '100',
    ),
  },
  (spec, report) => {
    const seen = new Set<number | string>();
    for (const [index, { name, port }] of (spec.ports ?? []).entries()) {
      for (const key of [port, name]) {
        if (key === undefined) continue;
        if (seen.has(key))
          report(['ports', index], 'duplicate-entry', { message: `${key} is used by an earlier port` });
        seen.add(key);
      }
    }
  },
  {
    cel: '!has(self.ports) || self.ports.all(a, self.ports.exists_one(b, a.port == b.port))',
    message: 'a port is used by an earlier one',
    fieldPath: '.ports',
  },
  {
    cel: '!has(self.ports) || self.ports.all(a, !has(a.name) || self.ports.exists_one(b, has(b.name) && a.name == b.name))',
    message: 'a name is used by an earlier port',
    fieldPath: '.ports',
  },
);

export type WorkloadEntrySpec = ValueOf<typeof workloadEntrySpecSchema>;
