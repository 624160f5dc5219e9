import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeObject } from '@weft/kube';
import { parseAllDocuments } from 'yaml';

const script = join(import.meta.dirname, '..', 'machine', 'gateway-api');

/** The definitions of Gateway API, of a channel: `standard`, `experimental`. Empty where they cannot be had. */
export function gatewayDefinitions(channel: string): KubeObject[] {
  const { stdout } = spawnSync(script, ['crds', channel], { encoding: 'utf8', timeout: 100_000 });
  const folder = stdout.trim();
  if (folder === '') return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) =>
      parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((each) => each.toJS() as KubeObject | null),
    )
    .filter((object) => object?.kind === 'CustomResourceDefinition') as KubeObject[];
}
