import assert from 'node:assert/strict';
import { createServer, get } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { request } from 'undici';
import { carriedTrace, carryTraces, outsideOfTraces } from './trace-carrier.ts';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER = '00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01';

describe('an application with the preload', () => {
  let received: IncomingHttpHeaders[] = [];
  let back: Server;
  let front: Server;
  let work: (url: string) => Promise<unknown>;

  before(async () => {
    carryTraces();
    carryTraces();
    back = createServer((incoming, response) => {
      received.push(incoming.headers);
      response.end('ok');
    });
    front = createServer((_incoming, response) => {
      void work(urlOf(back)).then(() => response.end('done'));
    });
    for (const server of [back, front]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  after(() => {
    for (const server of [back, front]) {
      server.close();
      server.closeAllConnections();
    }
  });

  async function ask(headers: Record<string, string>): Promise<IncomingHttpHeaders[]> {
    received = [];
    await (await outsideOfTraces(() => fetch(urlOf(front), { headers }))).text();
    return received;
  }

  const byHttp = (url: string): Promise<void> =>
    new Promise((resolve, reject) => {
      get(url, (answer) => answer.resume().on('end', resolve)).on('error', reject);
    });
  const byFetch = async (url: string): Promise<string> => (await fetch(url)).text();
  const byUndici = async (url: string): Promise<string> => (await request(url)).body.text();

  for (const [name, way] of Object.entries({ 'node:http': byHttp, fetch: byFetch, undici: byUndici })) {
    it(`hands on what came when it calls by ${name}`, async () => {
      work = async (url) => {
        await new Promise((resolve) => setImmediate(resolve));
        await way(url);
      };
      const [headers] = await ask({ traceparent: TRACE, tracestate: 'a=1', b3: '0', 'x-request-id': 'r1' });
      assert.equal(headers?.['traceparent'], TRACE);
      assert.equal(headers?.['tracestate'], 'a=1');
      assert.equal(headers?.['b3'], '0');
      assert.equal(headers?.['x-request-id'], 'r1');
    });
  }

  it('leaves what the application has set itself', async () => {
    work = async (url) => {
      await (await fetch(url, { headers: { Traceparent: OTHER } })).text();
      await (await request(url, { headers: { traceparent: OTHER } })).body.text();
      await new Promise((resolve) =>
        get(url, { headers: { traceparent: OTHER } }, (answer) => answer.resume().on('end', resolve)),
      );
    };
    const all = await ask({ traceparent: TRACE });
    assert.deepEqual(
      all.map(({ traceparent }) => traceparent),
      [OTHER, OTHER, OTHER],
    );
  });

  it('keeps requests that are answered at once apart', async () => {
    const traces = Array.from({ length: 20 }, (_, index) => TRACE.replace('b7ad', (0x1000 + index).toString(16)));
    work = async (url) => {
      await new Promise((resolve) => setImmediate(resolve));
      await byFetch(`${url}?mine=${carriedTrace()['traceparent']}`);
    };
    received = [];
    await Promise.all(
      traces.map((traceparent) =>
        outsideOfTraces(() => fetch(urlOf(front), { headers: { traceparent } })).then((one) => one.text()),
      ),
    );
    assert.deepEqual(received.map(({ traceparent }) => traceparent).sort(), [...traces].sort());
  });

  it('adds nothing to calls that belong to no request', async () => {
    received = [];
    await outsideOfTraces(() => byFetch(urlOf(back)));
    assert.equal(received[0]?.['traceparent'], undefined);
    assert.deepEqual(carriedTrace(), {});
  });
});

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
