import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { DestinationKey, Resource, ResourceKey } from '@weft/model';
import { FakeClock } from '@weft/testkit';
import { explainRequest } from './decision-record.ts';
import { compileTables } from './table-compiler.ts';

/** A view and requests; beside it `NAME.decisions.json` holds what becomes of them. Delete that file to have it written anew. */
interface Golden {
  readonly resources: readonly Resource[];
  readonly requests: readonly {
    readonly to: DestinationKey;
    /** `GET /path?query`. */
    readonly request: string;
    readonly authority: string;
    readonly headers?: Readonly<Record<string, string>>;
  }[];
}

const folder = new URL('../golden/', import.meta.url);

for (const file of readdirSync(folder).filter((name) => name.endsWith('.view.json'))) {
  test(`golden: ${file} decides as it did`, () => {
    const golden = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Golden;
    const resources = new Map<ResourceKey, { resource: Resource; hash: string }>();
    for (const resource of golden.resources) {
      resources.set(`${resource.type}:${resource.name}`, { resource, hash: 'golden' });
    }
    const clock = new FakeClock();
    const environment = { clock, random: seededRandom(1), zone: '', namespace: 'shop' };
    const { tables, errors } = compileTables(resources, undefined, environment);
    const decisions = golden.requests.map(({ to, request, authority, headers }) => {
      const [method = '', target = ''] = request.split(' ');
      const [path = '', query = ''] = target.split('?');
      const view = { method, authority, path, query, valueOf: (name: string) => headers?.[name] };
      const record = explainRequest(tables, to, view, clock.nowMs());
      if (record === undefined) return { to, request, outcome: 'not held' };
      return {
        to,
        request,
        outcome: record.outcome,
        code: record.code,
        location: record.location,
        winner: record.winner ?? null,
        passedOver: record.passedOver.map((over) => [over.rule, over.path, over.field, over.name].join(' ').trim()),
        backends: record.backends.map((over) => ({
          backend: over.backend,
          share: over.share,
          refused: over.refused ?? null,
          target: over.target,
          endpoints: over.state?.endpoints.map(({ key }) => key) ?? [],
        })),
      };
    });
    const actual = `${JSON.stringify({ version: tables.version, errors, decisions }, null, 2)}\n`;
    const expected = new URL(file.replace('.view.json', '.decisions.json'), folder);
    if (!existsSync(expected)) {
      writeFileSync(expected, actual);
      assert.fail(`${expected.pathname} was not there and has been written: look at it, then run again`);
    }
    // As values: the formatter of this repository lays the file out in its own way.
    assert.deepEqual(JSON.parse(actual), JSON.parse(readFileSync(expected, 'utf8')));
  });
}
