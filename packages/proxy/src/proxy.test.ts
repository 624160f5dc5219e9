import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { StateFixture, ask, askThrough, startApplication, webOptions, webResources } from './fixture/proxy-fixture.ts';
import type { LogLine } from './fixture/proxy-fixture.ts';
import { meshSettings } from './fixture/plane-fixture.ts';
import { startProxy } from './proxy.ts';

describe('a proxy with the state of an earlier life', () => {
  let application: Server;
  let state: StateFixture;
  const lines: LogLine[] = [];
  let applicationPort = 0;

  before(async () => {
    const started = await startApplication((_request, response) => response.end('from orders'));
    application = started.server;
    applicationPort = started.port;
    state = await StateFixture.make(webResources([applicationPort]));
  });

  after(() => {
    application.close();
    application.closeAllConnections();
    state.remove();
  });

  it('is ready at once and serves, without a control plane', async () => {
    const proxy = await startProxy(webOptions(state.path, lines));
    try {
      assert.equal(proxy.notReady(), '');
      assert.equal(await askThrough(proxy.outboundPort), '200 from orders');
      assert.equal(proxy.identity, 'spiffe://cluster.local/ns/shop/sa/web');
    } finally {
      await proxy.stop();
    }
    assert.equal(proxy.notReady(), 'stopped');
  });

  it('comes back on the port of the life before', async () => {
    const first = await startProxy(webOptions(state.path, lines));
    const { outboundPort } = first;
    await first.stop();
    const second = await startProxy(webOptions(state.path, lines));
    try {
      assert.equal(second.outboundPort, outboundPort);
    } finally {
      await second.stop();
    }
  });

  it('counts requests where they are scraped, with the facts of its process', async () => {
    const proxy = await startProxy(webOptions(state.path, lines));
    try {
      await askThrough(proxy.outboundPort);
      await askThrough(proxy.outboundPort);
      const metrics = await ask({ port: proxy.metricsPort, path: '/metrics' });
      assert.match(metrics, /weft_requests_total\{[^}]*destination="shop\/orders"[^}]*\} 2\n/);
      assert.match(metrics, /weft_upstream_endpoints\{destination="shop\/orders:80"\} 1\n/);
      assert.match(metrics, /weft_certificate_expiry_timestamp_seconds\{kind="leaf"/);
      assert.match(metrics, /weft_log_lines_total 0\n/);
      const stats = JSON.parse((await ask({ port: proxy.statsPort, path: '/stats' })).slice(4)) as {
        version: string;
        destinations: { key: string; endpoints: { tries: number }[] }[];
      };
      assert.match(stats.version, /^[0-9a-f]{16}$/);
      assert.equal(stats.destinations[0]!.key, 'shop/orders:80');
      assert.equal(stats.destinations[0]!.endpoints[0]!.tries, 2);
    } finally {
      await proxy.stop();
    }
  });

  it('shows its configuration on the socket only, and drains when asked there', async () => {
    const proxy = await startProxy(webOptions(state.path, lines));
    try {
      assert.match(await ask({ port: proxy.statsPort, path: '/config' }), /^404/);
      const config = await ask({ socketPath: proxy.adminSocket, path: '/config' });
      assert.match(config, /"key":"routes:shop\/orders:80"/);
      assert.match(await ask({ socketPath: proxy.adminSocket, path: '/drain', method: 'POST' }), /^202/);
      assert.equal(proxy.notReady(), 'draining');
      await proxy.drain();
      await assert.rejects(askThrough(proxy.outboundPort), /ECONNREFUSED/);
    } finally {
      await proxy.stop();
    }
  });

  it('lets its application call others after callers of the application have been let go', async () => {
    const proxy = await startProxy(webOptions(state.path, lines));
    try {
      await proxy.drainInbound();
      assert.equal(proxy.notReady(), 'draining');
      assert.match(await askThrough(proxy.outboundPort), /^200/);
      await proxy.drain();
      await assert.rejects(askThrough(proxy.outboundPort), /ECONNREFUSED/);
    } finally {
      await proxy.stop();
    }
  });

  it('answers 508 to a request that would come back to it, whatever name or address it has there', async () => {
    const own = await StateFixture.make([...webResources([applicationPort]).slice(1), meshSettings('AllowAny')]);
    // A loop that nobody saw would end at the limit, not at the last descriptor.
    const proxy = await startProxy(webOptions(own.path, lines, { maxConnections: 50 }));
    const port = proxy.outboundPort;
    try {
      for (const host of [
        'localhost',
        '127.0.0.1',
        '127.9.9.9',
        '2130706433',
        '0',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
      ]) {
        const answer = await ask({ host: '127.0.0.1', port, path: `http://${host}:${port}/` });
        assert.match(answer, /^508 /, `${host}: ${answer}`);
      }
      const outside = await ask({ host: '127.0.0.1', port, path: `http://2130706433:${applicationPort}/` });
      assert.equal(outside, '200 from orders');
      const stats = proxy.stats();
      assert.ok(stats.connections <= 1, `${stats.connections} connections`);
    } finally {
      await proxy.stop();
      own.remove();
    }
  });

  it('says which port is taken', async () => {
    const taken = webOptions(state.path, lines, { outboundPort: applicationPort });
    await assert.rejects(startProxy(taken), /^Error: the outbound proxy cannot listen: port \d+ is taken/);
  });

  it('stays without a snapshot when the state is damaged, and says so', async () => {
    const own = await StateFixture.make(webResources([applicationPort]));
    writeFileSync(`${own.path}/snapshot`, 'damaged');
    const proxy = await startProxy(webOptions(own.path, lines));
    try {
      assert.equal(proxy.notReady(), 'no configuration yet');
      assert.ok(lines.some(({ level, message }) => level === 'warn' && message.startsWith('stored state left aside')));
      await assert.rejects(proxy.whenReady(20), /^Error: not ready after 20 ms: no configuration yet$/);
    } finally {
      await proxy.stop();
      own.remove();
    }
  });
});
