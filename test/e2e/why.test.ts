/**
 * What a mesh tells of its requests: decisions found by request id and trace id at every hop, counters of edges in the control
 * plane's window, and live requests tapped in the sidecars.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type TestMesh, startMesh } from '@weft/mesh-test';
import { eventually } from '@weft/testkit';
import { AdminClient, type TapEvent, type TapFilter, type WhyResponse } from '@weft/wire';

const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: orders}]
  rules:
  - name: beta
    matches: [{path: {type: PathPrefix, value: /}, headers: [{name: x-beta, value: "yes"}]}]
    backendRefs: [{name: orders, port: 80}]
  - name: all
    backendRefs: [{name: orders, port: 80, weight: 3}, {name: next, port: 80, weight: 0}]
`;

const TAP_ALL: TapFilter = {
  direction: 'Both',
  destination: '',
  method: '',
  path: '',
  statusFrom: 0,
  statusTo: 0,
  slowerThanMs: 0,
  maxRate: 1_000,
  showValues: false,
};

/** Ends what hangs. */
const WAIT_MS = 60_000;

describe('a request, explained by the mesh that carried it', () => {
  let mesh: TestMesh;
  let admin: AdminClient;

  before(async () => {
    mesh = await startMesh({
      services: {
        web: {},
        orders: {
          instances: 2,
          handler: (request, response) => {
            response.statusCode = request.url?.startsWith('/gone') === true ? 404 : 200;
            response.end('ok');
          },
        },
        next: { handler: (_request, response) => response.end('next') },
      },
      routes: ROUTES,
    });
    admin = new AdminClient(mesh.control.adminSocket);
  });
  after(async () => {
    admin.close();
    await mesh.stop();
  });

  /** What all sidecars say. One that had no time for an answer within the second that they are given is asked again. */
  function why(id: string): Promise<WhyResponse> {
    return eventually(async () => {
      const answer = await admin.why(id);
      assert.ok(answer.ok);
      const { rings } = answer.value;
      assert.ok(
        rings.every(({ silent }) => silent === ''),
        JSON.stringify(rings),
      );
      return answer.value;
    }, WAIT_MS);
  }

  it('is found by its request id at both ends, with the rule, what was passed over, draw, tries and time', async () => {
    const requestId = '7f1f0bfa-1111-4222-8333-444455556666';
    const response = await mesh.fetch('web', 'http://orders/items?secret=1', {
      headers: { 'x-request-id': requestId },
    });
    assert.equal(response.status, 200);
    const { hops, rings } = await why(requestId);
    assert.deepEqual(
      hops.map(({ workload, depth, hop }) => `${depth} ${workload} ${hop.direction} ${hop.status}`),
      ['0 default/web Outbound 200', '1 default/orders Inbound 200'],
    );
    assert.equal(rings.length, 4);
    assert.ok(rings.every(({ reach }) => reach !== null));
    const { hop } = hops[0]!;
    assert.equal(hop.requestId, requestId);
    assert.equal(hop.route, 'HTTPRoute default/orders');
    assert.equal(hop.rule, 'all');
    assert.equal(hop.path, '/items');
    assert.equal(hop.kept, 'sample');
    assert.deepEqual(
      hop.passedOver.map(({ rule, field, name, expected, actual }) => ({ rule, field, name, expected, actual })),
      [{ rule: 'beta', field: 'header', name: 'x-beta', expected: 'yes', actual: '' }],
    );
    assert.deepEqual(hop.backends, [
      { backend: 'default/orders:80', weight: 3 },
      { backend: 'default/next:80', weight: 0 },
    ]);
    assert.equal(hop.drawn, 0);
    assert.equal(hop.backend?.endpoints, 2);
    assert.equal(hop.backend.healthy, 2);
    assert.equal(hop.attempts.length, 1);
    assert.match(hop.attempts[0]!.rival, /orders/);
    assert.match(hop.upstreamIdentity, /\/sa\/orders$/);
    assert.equal(hop.version, hop.versionNow);
    assert.equal(hop.version, mesh.proxy('web').stats().version);
    const { spent } = hop;
    const told = spent.decideMs + Math.max(0, spent.connectMs) + spent.upstreamMs + spent.responseMs;
    assert.ok(Math.abs(told - hop.durationMs) < 0.01, `${told} of ${hop.durationMs} ms are told`);
  });

  it('is found by its trace id, and decided by the header that was sent', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-00`, 'x-beta': 'yes' };
    await mesh.fetch('web', 'http://orders/gone', { headers });
    const { hops } = await why(traceId);
    assert.deepEqual(
      hops.map(({ hop }) => `${hop.direction} ${hop.rule} ${hop.status}`),
      ['Outbound beta 404', 'Inbound default 404'],
    );
    assert.deepEqual(
      hops[0]!.hop.passedOver.map(({ rule, field }) => `${rule} ${field}`),
      ['all precedence'],
    );
  });

  it('tells of a retry with both tries, their endpoints and the reason', async () => {
    mesh.break('orders', 0, 503);
    mesh.break('orders', 1, 503);
    const requestId = 'retried-1';
    const response = await mesh.fetch('web', 'http://orders/', { headers: { 'x-request-id': requestId } });
    mesh.heal('orders');
    assert.equal(response.status, 503);
    const { hops } = await why(requestId);
    const { hop } = hops[0]!;
    assert.equal(hop.kept, 'error');
    assert.ok(hop.attempts.length >= 2);
    assert.equal(hop.attempts[0]!.retryReason, 'GatewayError');
    assert.equal(hop.attempts[0]!.status, 503);
    assert.notEqual(hop.attempts[0]!.address, hop.attempts[1]!.address);
    assert.ok(hop.attempts[1]!.startedMs >= hop.attempts[0]!.durationMs);
    // Each try is an effect of its own.
    assert.equal(
      hops.filter(({ depth, hop: { direction } }) => depth === 1 && direction === 'Inbound').length,
      hop.attempts.length,
    );
  });

  it('tells why nothing was sent', async () => {
    const requestId = 'refused-1';
    const response = await mesh.fetch('web', 'http://nowhere.default/', { headers: { 'x-request-id': requestId } });
    assert.equal(response.status, 404);
    const { hops } = await why(requestId);
    assert.equal(hops.length, 1);
    assert.equal(hops[0]!.hop.termination, 'unknown-host');
    assert.equal(hops[0]!.hop.attempts.length, 0);
    assert.equal(hops[0]!.hop.backend, null);
  });

  it('that nobody remembers: every ring says how far back it reaches', async () => {
    const { hops, rings } = await why('ffffffffffffffffffffffffffffffff');
    assert.deepEqual(hops, []);
    assert.equal(rings.length, 4);
    const web = rings.find(({ proxy }) => proxy === 'default/web-0')?.reach;
    assert.ok(web !== null && web !== undefined && web.samplesSinceMs > 0 && web.records > 0);
    assert.equal(web.sampledOneIn, 1);
  });

  it('is tapped where it fits, without what is secret, and counted where it is too much', async () => {
    const events: TapEvent[] = [];
    const { promise: first, resolve } = Promise.withResolvers<void>();
    const filter = {
      ...TAP_ALL,
      direction: 'Outbound',
      path: '/items',
      statusFrom: 200,
      statusTo: 299,
      maxRate: 2,
    } as const;
    const stop = admin.tap(
      { target: 'web', filter, lastsMs: WAIT_MS },
      (event) => {
        events.push(event);
        if (event.dropped > 0) resolve();
      },
      () => resolve(),
    );
    const headers = { authorization: 'Bearer abc', cookie: 'a=b', 'x-thing': 'visible' };
    // Until the tap has reached the sidecar.
    const deadlineMs = performance.now() + WAIT_MS;
    const told = { over: false };
    void first.then(() => (told.over = true));
    while (!told.over && performance.now() < deadlineMs) {
      await mesh.fetch('web', 'http://orders/items?password=1', { headers });
      await mesh.fetch('web', 'http://orders/other', { headers });
    }
    stop();
    assert.ok(told.over, 'something was told and something dropped');
    const requests = events.flatMap((event) => event.requests);
    assert.ok(requests.length > 0);
    for (const request of requests) {
      assert.equal(request.path, '/items');
      assert.equal(request.direction, 'Outbound');
      assert.equal(request.destination, 'default/orders');
      assert.equal(request.secured, true);
      const field = (name: string) => request.fields.find((one) => one.name === name);
      assert.deepEqual(field('authorization'), { name: 'authorization', value: '', redacted: true });
      assert.deepEqual(field('cookie'), { name: 'cookie', value: '', redacted: true });
      assert.deepEqual(field('x-thing'), { name: 'x-thing', value: '', redacted: true });
      assert.doesNotMatch(JSON.stringify(request), /Bearer|password/);
    }
    assert.ok(events.every(({ proxy }) => proxy === 'default/web-0'));
  });

  it('stands in the figures of its edge once, by rule, secured', async () => {
    const deadlineMs = performance.now() + WAIT_MS;
    for (;;) {
      await mesh.fetch('web', 'http://orders/items');
      const answer = await admin.getTraffic({ windowMs: 60_000, service: 'default/orders' });
      assert.ok(answer.ok);
      const { edges, proxies } = answer.value;
      const rule = edges.find((edge) => edge.rule === 'all');
      if (proxies === 4 && rule !== undefined) {
        assert.equal(rule.source, 'default/web');
        assert.equal(rule.direction, 'Outbound');
        assert.equal(rule.secured, rule.requests);
        assert.ok(rule.p50Ms > 0 && rule.p99Ms >= rule.p50Ms);
        assert.ok(
          edges.every(({ direction }) => direction === 'Outbound'),
          'no request is counted at both ends',
        );
        return;
      }
      assert.ok(performance.now() < deadlineMs, 'the sidecars count within some seconds');
      await new Promise((resolve) => void setTimeout(resolve, 500));
    }
  });

  it('a tap of what is not there says what is', async () => {
    const fault = await new Promise<{ message: string } | null>((resolve) => {
      admin.tap({ target: 'shop/none', filter: TAP_ALL, lastsMs: 1_000 }, () => undefined, resolve);
    });
    assert.match(fault?.message ?? '', /no proxy of shop\/none.*default\/orders/);
  });
});
