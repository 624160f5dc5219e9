import { portName } from '../schema/text-format.ts';
import {
  type ValueOf,
  choice,
  foreign,
  integer,
  labels,
  list,
  object,
  optional,
  portOrName,
  required,
  text,
} from './field-vocabulary.ts';

const servicePort = object({
  name: optional(text(15, portName), 'Name of the port; required when there are several.'),
  port: required(integer(1, 65_535), 'The port that callers name.'),
  targetPort: optional(portOrName(), 'Port of the instance, or the name of one of its ports.', 'the same as port'),
  appProtocol: optional(text(253), 'http, kubernetes.io/h2c, grpc, tcp or another; absent: learned or detected.'),
  protocol: optional(
    choice(['TCP', 'UDP', 'SCTP']),
    'Only TCP is served; other ports are invisible to the mesh.',
    'TCP',
  ),
  nodePort: foreign(),
});

/** Kubernetes `Service` v1: the name of a destination with and without a cluster. */
export const serviceSpecSchema = object(
  {
    selector: optional(labels(), 'Labels of the instances. Absent: the service has no endpoints of its own.'),
    ports: optional(list(servicePort, 256), 'Ports of the service.'),
    clusterIP: optional(text(64, undefined, 0), 'Virtual address; None for a headless service.'),
    clusterIPs: optional(list(text(64, undefined, 0), 2), 'Virtual addresses, one per family.'),
    trafficDistribution: optional(
      choice(['PreferClose', 'PreferSameZone', 'PreferSameNode']),
      'Keeps calls in the zone unless a TrafficPolicy on the Service or its namespace says otherwise.',
    ),
    sessionAffinity: optional(choice(['None', 'ClientIP']), 'ClientIP is reported as not honoured yet.', 'None'),
    internalTrafficPolicy: optional(choice(['Cluster', 'Local']), 'Local is reported as not honoured yet.', 'Cluster'),
    type: optional(
      choice(['ClusterIP', 'NodePort', 'LoadBalancer'], ['ExternalName']),
      'Type of the service.',
      'ClusterIP',
    ),
    allocateLoadBalancerNodePorts: foreign(),
    externalIPs: foreign(),
    externalName: foreign(),
    externalTrafficPolicy: foreign(),
    healthCheckNodePort: foreign(),
    ipFamilies: foreign(),
    ipFamilyPolicy: foreign(),
    loadBalancerClass: foreign(),
    loadBalancerIP: foreign(),
    loadBalancerSourceRanges: foreign(),
    publishNotReadyAddresses: foreign(),
    sessionAffinityConfig: foreign(),
  },
  (spec, report) => {
    const ports = spec.ports ?? [];
    const seen = new Set<string>();
    for (const [index, { name, port, protocol }] of ports.entries()) {
      if (ports.length > 1 && name === undefined) {
        report(['ports', index], 'missing-field', {
          message: 'name is missing',
          expected: 'a name, as there are several ports',
        });
      }
      for (const key of [`${protocol ?? 'TCP'}/${port}`, name]) {
        if (key === undefined) continue;
        if (seen.has(key))
          report(['ports', index], 'duplicate-entry', { message: `${key} is used by an earlier port` });
        seen.add(key);
      }
    }
    if (spec.sessionAffinity === 'ClientIP') {
      report(['sessionAffinity'], 'not-honoured', {
        message: 'ClientIP affinity is not honoured yet: calls are balanced as usual',
      });
    }
    if (spec.internalTrafficPolicy === 'Local') {
      report(['internalTrafficPolicy'], 'not-honoured', {
        message: 'Local is not honoured yet: calls may leave the node',
      });
    }
    if (spec.trafficDistribution === 'PreferSameNode') {
      report(['trafficDistribution'], 'not-honoured', { message: 'PreferSameNode is treated as PreferSameZone' });
    }
  },
);

export type ServiceSpec = ValueOf<typeof serviceSpecSchema>;
export type ServicePort = ValueOf<typeof servicePort>;
