/**
 * Files made from the tables of `@weft/model`: `npm run generate` writes them, a test of the house compares. The reference
 * pages in docs/ have a program of their own.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { customResources, jsonSchemas, typescriptTypes } from '@weft/kube';
import { stringify } from 'yaml';

export interface GeneratedFile {
  /** Relative to the root of the project. */
  readonly path: string;
  readonly text: string;
}

const note = '# Made by npm run generate from the field tables of packages/model; change those.\n';

export function generatedFiles(): readonly GeneratedFile[] {
  const definitions = Array.from(customResources(), ([name, resource]) => ({
    path: `deploy/helm/weft-crds/templates/${name}.yaml`,
    // Helm and kubectl read YAML 1.1, to which an unquoted Off is false.
    text: note + stringify(resource, { version: '1.1', lineWidth: 120, aliasDuplicateObjects: false }),
  }));
  const schemas = Array.from(jsonSchemas(), ([name, schema]) => ({
    path: `deploy/schemas/${name}`,
    text: `${JSON.stringify(schema, null, 2)}\n`,
  }));
  const types = { path: 'deploy/schemas/weft.d.ts', text: `${note.replace('#', '//')}\n${typescriptTypes()}` };
  return [...definitions, ...schemas, types];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { path, text } of generatedFiles()) {
    const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    process.stdout.write(`${path}\n`);
  }
}
