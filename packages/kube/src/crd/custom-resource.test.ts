import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customResources } from './custom-resource.ts';
import type { OpenApiSchema } from './open-api-schema.ts';

interface Definition {
  readonly spec: {
    readonly names: { readonly kind: string; readonly shortNames: string[]; readonly categories: string[] };
    readonly versions: readonly {
      readonly subresources: object;
      readonly schema: { openAPIV3Schema: OpenApiSchema };
    }[];
  };
}

const definitions = [...customResources().values()] as Definition[];

function* nodesOf(schema: OpenApiSchema, path: string): Generator<[string, OpenApiSchema]> {
  yield [path, schema];
  if (schema.items !== undefined) yield* nodesOf(schema.items, `${path}[]`);
  if (schema.additionalProperties !== undefined) yield* nodesOf(schema.additionalProperties, `${path}{}`);
  for (const [name, child] of Object.entries(schema.properties ?? {})) yield* nodesOf(child, `${path}.${name}`);
}

for (const { spec } of definitions) {
  const schema = spec.versions[0]!.schema.openAPIV3Schema;
  const nodes = [...nodesOf(schema.properties!['spec']!, 'spec')];

  test(`${spec.names.kind}: every list, map, text and number has a maximum`, () => {
    for (const [path, node] of nodes) {
      if (node.type === 'array') assert.ok(node.maxItems !== undefined, path);
      if (node.type === 'string') assert.ok(node.maxLength !== undefined || node.enum !== undefined, path);
      if (node.type === 'integer') assert.ok(node.maximum !== undefined || node.enum !== undefined, path);
      if (node.additionalProperties !== undefined) assert.ok(node.maxProperties !== undefined, path);
    }
  });

  test(`${spec.names.kind}: no field has a default in the schema, and every field has a text`, () => {
    for (const [path, node] of nodes) {
      assert.ok(!Object.hasOwn(node, 'default'), path);
      if (!path.endsWith('[]') && !path.endsWith('{}')) assert.ok((node.description ?? '') !== '', path);
    }
  });

  test(`${spec.names.kind}: a field that is not served is refused by a rule, not dropped`, () => {
    for (const [path, node] of nodes) {
      if (node['x-kubernetes-preserve-unknown-fields'] !== true) continue;
      const parent = nodes.find(([name]) => name === path.slice(0, path.lastIndexOf('.')))![1];
      const name = path.slice(path.lastIndexOf('.') + 1);
      assert.ok(
        parent['x-kubernetes-validations']?.some(({ rule }) => rule === `!has(self.${name})`),
        path,
      );
    }
  });

  test(`${spec.names.kind}: has a status of its own, a short name of ours and the category`, () => {
    assert.deepEqual(spec.versions[0]!.subresources, { status: {} });
    assert.ok(spec.names.shortNames.every((name) => name.startsWith('weft')));
    assert.deepEqual(spec.names.categories, ['weft']);
  });
}
