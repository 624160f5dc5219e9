import { customResources } from './custom-resource.ts';
import type { OpenApiSchema } from './open-api-schema.ts';

/** One of our kinds, as its CustomResourceDefinition says it. */
export interface OwnDefinition {
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  readonly schema: OpenApiSchema;
}

/** In the order of their kinds. */
export function ownDefinitions(): readonly OwnDefinition[] {
  const all = Array.from(customResources().values(), (resource): OwnDefinition => {
    const { spec } = resource as {
      readonly spec: {
        readonly group: string;
        readonly scope: string;
        readonly names: { readonly kind: string };
        readonly versions: readonly {
          readonly name: string;
          readonly schema: { readonly openAPIV3Schema: OpenApiSchema };
        }[];
      };
    };
    const [version] = spec.versions;
    return {
      kind: spec.names.kind,
      apiVersion: `${spec.group}/${version?.name}`,
      namespaced: spec.scope === 'Namespaced',
      schema: version?.schema.openAPIV3Schema ?? {},
    };
  });
  return all.sort((left, right) => (left.kind < right.kind ? -1 : 1));
}
