/**
 * What an explanation says of a request is what a real pair of sidecars, or a gateway, does with it: the backend that answers,
 * the target, host and headers it sees, the refusal or reply that the caller gets.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caller, type Explanation, callerResources, compileView, explainAsked } from '@weft/analysis';
import type { Tables } from '@weft/decision';
import { seededRandom } from '@weft/kernel';
import { startMesh } from '@weft/mesh-test';
import { terminations } from '@weft/outcome';
import {
  Dice,
  generatedObjects,
  generatedRequest,
  modelOf,
  serviceNames,
} from '../../packages/analysis/src/generated-mesh-fixture.ts';

const REQUESTS = 50;
const CONFIGURATIONS = 200;
/** Requests under way at once. */
const AT_ONCE = 10;

/** Of `connect-timeout`, as callers read it. */
const TOO_SLOW = 'did not accept the connection in time';

interface Seen {
  readonly service: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** As mesh-test declares them. */
const services = serviceNames.map((name) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 'http', appProtocol: 'http' }] },
}));

function routesOf(seed: number): unknown[] {
  const declared = ['Service', 'WorkloadEntry'];
  return generatedObjects(new Dice(seededRandom(seed))).filter(
    (object) => !declared.includes((object as { kind: string }).kind),
  );
}

function yamlOf(objects: readonly unknown[]): string {
  return objects.map((object) => JSON.stringify(object)).join('\n---\n');
}

/** Edits of the backend that answered, made on what was sent. */
function expectedFields(explained: Explanation, index: number): Record<string, string | undefined> {
  const fields = new Map(explained.request.fields.map(({ name, value }) => [name, value]));
  for (const { edit, name, value } of explained.edits[index]?.requestEdits ?? []) {
    if (edit === 'remove') fields.delete(name);
    else if (edit === 'set') fields.set(name, value);
  }
  return Object.fromEntries(['x-one', 'x-two', 'x-set'].map((name) => [name, fields.get(name)]));
}

function assertAnswered(explained: Explanation, response: Response, body: string): 'served' | 'replied' | 'refused' {
  const refused = response.headers.get('weft-refused');
  const { record } = explained;
  assert.ok(record !== undefined);
  if (refused !== null || (record.outcome !== 'reply' && !body.startsWith('{'))) {
    const codes = record.outcome === 'refuse' ? [record.code] : record.backends.flatMap((each) => each.refused ?? []);
    // A gateway does not tell the world outside why.
    if (refused !== null) assert.ok((codes as readonly string[]).includes(refused), `${refused}, not ${codes.join()}`);
    const statuses = codes.map((code) => terminations[code].httpStatus);
    assert.ok(statuses.includes(response.status), `${response.status}, not ${statuses.join()}`);
    return 'refused';
  }
  if (record.outcome === 'reply') {
    assert.equal(response.status, explained.status);
    assert.equal(response.headers.get('location') ?? '', record.location);
    return 'replied';
  }
  assert.equal(record.outcome, 'draw');
  const seen = JSON.parse(body) as Seen;
  const index = record.backends.findIndex(
    ({ backend, share, target }) => backend === `shop/${seen.service}:80` && share > 0 && target === seen.target,
  );
  assert.ok(index >= 0, `${seen.service} ${seen.target} is none of ${JSON.stringify(record.backends)}`);
  const { headers } = seen;
  assert.equal(headers['host'], explained.edits[index]!.host || explained.request.authority);
  const expected = expectedFields(explained, index);
  for (const [name, value] of Object.entries(expected)) assert.equal(headers[name], value, name);
  return 'served';
}

test(`${CONFIGURATIONS * REQUESTS} requests meet what was explained, at sidecars and at a gateway`, async () => {
  const mesh = await startMesh({
    namespace: 'shop',
    services: {
      web: {},
      ...Object.fromEntries(
        serviceNames.map((service) => [
          service,
          {
            handler: (request, response) => {
              response.end(JSON.stringify({ service, target: request.url, headers: request.headers }));
            },
          },
        ]),
      ),
    },
    gateways: ['edge'],
    routes: yamlOf(routesOf(1)),
  });
  const endings = new Map<string, number>();
  let tooSlow = 0;
  try {
    for (let seed = 1; seed <= CONFIGURATIONS; seed += 1) {
      const routes = routesOf(seed);
      if (seed > 1) await mesh.apply(yamlOf(routes));
      const model = modelOf([...services, ...routes]);
      const dice = new Dice(seededRandom(1000 + seed));
      const tables = new Map<string, Tables>();
      const compiled = (caller: Caller): Tables => {
        let known = tables.get(caller.gateway);
        if (known === undefined)
          tables.set(caller.gateway, (known = compileView(callerResources(model, caller), caller).tables));
        return known;
      };
      const drawn = Array.from({ length: REQUESTS }, (_, index) => ({
        atGateway: index % 3 === 0,
        asked: generatedRequest(dice, index % 3 === 0),
      }));
      const meet = async ({ atGateway, asked }: (typeof drawn)[number]): Promise<void> => {
        const caller: Caller = { namespace: 'shop', gateway: atGateway ? 'shop/edge' : '' };
        const explained = explainAsked(compiled(caller), caller, asked);
        const ask = () =>
          mesh.fetch(atGateway ? 'edge' : 'web', `http://${asked.authority}${asked.target}`, {
            method: asked.method,
            headers: Object.fromEntries(asked.fields.map(({ name, value }) => [name, value])),
          });
        let response = await ask();
        let body = await response.text();
        // A machine with too much to do: that says nothing of rules. Seldom, or it is a fault.
        for (; body.includes(TOO_SLOW) && tooSlow < (CONFIGURATIONS * REQUESTS) / 50; tooSlow += 1) {
          response = await ask();
          body = await response.text();
        }
        try {
          const ending = assertAnswered(explained, response, body);
          endings.set(ending, (endings.get(ending) ?? 0) + 1);
        } catch (error) {
          const what = `configuration ${seed}: ${asked.method} ${asked.authority}${asked.target} ${JSON.stringify(asked.fields)}`;
          const got = `${response.status} ${response.headers.get('weft-refused')} ${body.slice(0, 300)}`;
          throw new Error(`${what}: ${(error as Error).message}; got ${got}; said ${JSON.stringify(explained)}`, {
            cause: error,
          });
        }
      };
      const waiting = drawn.values();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (const one of waiting) await meet(one);
        }),
      );
    }
  } finally {
    await mesh.stop();
  }
  for (const ending of ['served', 'replied', 'refused']) assert.ok((endings.get(ending) ?? 0) > 5, ending);
});
