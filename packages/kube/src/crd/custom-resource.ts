import { type Kind, type KindEntry, kindTable } from '@weft/model';
import { type OpenApiSchema, openApiSchema } from './open-api-schema.ts';

/** What a kind is called in a cluster, beside what `model` says of it. */
interface ResourceNames {
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** The standard's policy label (GEP-713); absent for what is no policy. */
  readonly policy?: 'Direct' | 'Inherited';
}

/** Weft's own kinds that are served. */
const resources: ReadonlyMap<Kind, ResourceNames> = new Map<Kind, ResourceNames>([
  ['Mesh', { plural: 'meshes', shortNames: ['weftmesh'] }],
  ['TrafficPolicy', { plural: 'trafficpolicies', shortNames: ['wefttraffic'], policy: 'Inherited' }],
  ['TelemetryPolicy', { plural: 'telemetrypolicies', shortNames: ['wefttel'], policy: 'Inherited' }],
  ['AuthenticationPolicy', { plural: 'authenticationpolicies', shortNames: ['weftauthn'], policy: 'Inherited' }],
  ['WorkloadEntry', { plural: 'workloadentries', shortNames: ['weftentry'] }],
]);

export const weftGroup = 'weft.dev';
export const weftVersion = 'v1alpha1';

/** The CustomResourceDefinition of each of Weft's kinds, by the name of its object. */
export function customResources(): ReadonlyMap<string, object> {
  const made = new Map<string, object>();
  for (const [kind, names] of resources) {
    const entry = kindTable.get(kind);
    if (entry !== undefined) made.set(`${names.plural}.${weftGroup}`, customResource(entry, names));
  }
  return made;
}

function customResource(entry: KindEntry, { plural, shortNames, policy }: ResourceNames): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${weftGroup}`,
      // Removing the chart would remove every object of these kinds otherwise.
      annotations: { 'helm.sh/resource-policy': 'keep' },
      labels: {
        'app.kubernetes.io/part-of': 'weft',
        ...(policy === undefined ? {} : { 'gateway.networking.k8s.io/policy': policy }),
      },
    },
    spec: {
      group: weftGroup,
      scope: entry.scope,
      names: {
        kind: entry.kind,
        listKind: `${entry.kind}List`,
        plural,
        singular: entry.kind.toLowerCase(),
        shortNames,
        categories: ['weft'],
      },
      versions: [
        {
          name: weftVersion,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: printerColumns(entry.kind),
          schema: { openAPIV3Schema: rootSchema(entry, policy !== undefined) },
        },
      ],
    },
  };
}

function rootSchema(entry: KindEntry, isPolicy: boolean): OpenApiSchema {
  const schema: OpenApiSchema = {
    description: entry.doc,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: { description: entry.doc, ...openApiSchema(entry.spec.node) },
      status: statusSchema(isPolicy),
    },
  };
  if (entry.kind === 'Mesh') {
    // The server takes no fieldPath into metadata.
    schema['x-kubernetes-validations'] = [
      { rule: "self.metadata.name == 'default'", message: 'metadata.name: there is one Mesh: default' },
    ];
  }
  return schema;
}

function printerColumns(kind: Kind): object[] {
  const condition = (name: string, type: string, field: string, priority = 0): object => ({
    name,
    type: 'string',
    jsonPath: `.status.conditions[?(@.type=="${type}")].${field}`,
    priority,
  });
  const specific: Partial<Record<Kind, object[]>> = {
    Mesh: [{ name: 'Trust domain', type: 'string', jsonPath: '.spec.trustDomain', priority: 0 }],
    WorkloadEntry: [
      { name: 'Address', type: 'string', jsonPath: '.spec.address', priority: 0 },
      { name: 'Account', type: 'string', jsonPath: '.spec.serviceAccount', priority: 0 },
    ],
    TrafficPolicy: [{ name: 'Target', type: 'string', jsonPath: '.spec.targetRefs[0].name', priority: 0 }],
    TelemetryPolicy: [{ name: 'Access log', type: 'string', jsonPath: '.spec.accessLog.when', priority: 0 }],
    AuthenticationPolicy: [{ name: 'Mode', type: 'string', jsonPath: '.spec.mtls.mode', priority: 0 }],
  };
  return [
    ...(specific[kind] ?? []),
    condition('Accepted', 'Accepted', 'status'),
    condition('Programmed', 'Programmed', 'message'),
    condition('Message', 'Accepted', 'message', 1),
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', priority: 0 },
  ];
}

function statusSchema(isPolicy: boolean): OpenApiSchema {
  const properties: Record<string, OpenApiSchema> = { conditions: conditionsSchema('Of the object as a whole.') };
  if (isPolicy) {
    properties['ancestors'] = {
      description: 'Of each target (GEP-713). Shared with other controllers: each writes its own entries.',
      type: 'array',
      maxItems: 16,
      'x-kubernetes-list-type': 'atomic',
      items: {
        type: 'object',
        required: ['ancestorRef', 'controllerName', 'conditions'],
        properties: {
          ancestorRef: {
            description: 'The target.',
            type: 'object',
            required: ['name'],
            properties: {
              group: { type: 'string', maxLength: 253 },
              kind: { type: 'string', maxLength: 63 },
              namespace: { type: 'string', maxLength: 63 },
              name: { type: 'string', maxLength: 253 },
              sectionName: { type: 'string', maxLength: 253 },
            },
          },
          controllerName: { description: 'Who says it.', type: 'string', maxLength: 253 },
          conditions: conditionsSchema('At this target.'),
        },
      },
    };
  }
  return { description: 'What became of it; written by Weft.', type: 'object', properties };
}

function conditionsSchema(description: string): OpenApiSchema {
  return {
    description,
    type: 'array',
    maxItems: 16,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
    items: {
      type: 'object',
      required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
      properties: {
        type: { description: 'Accepted, ResolvedRefs or Programmed.', type: 'string', maxLength: 316 },
        status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
        reason: { description: 'One word for machines.', type: 'string', minLength: 1, maxLength: 1024 },
        message: { description: 'For people.', type: 'string', maxLength: 32_768 },
        observedGeneration: {
          description: 'Generation of the object that this is about.',
          type: 'integer',
          format: 'int64',
          minimum: 0,
          maximum: Number.MAX_SAFE_INTEGER,
        },
        lastTransitionTime: { description: 'When status last changed.', type: 'string', format: 'date-time' },
      },
    },
  };
}
