import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { createServerRoot, issueServerCertificate } from '@weft/identity';
import { eventually } from '@weft/testkit';
import { gatewayListener, routeRule } from './fixture/plane-fixture.ts';
import { StateFixture, ask, startApplication, webOptions, webResources } from './fixture/proxy-fixture.ts';
import type { LogLine } from './fixture/proxy-fixture.ts';
import { startProxy } from './proxy.ts';

const HOUR_MS = 3_600_000;
const REQUEST = 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n';

describe('a gateway process', () => {
  let application: Server;
  let state: StateFixture;
  let folder: string;
  let rootPem: string;

  before(async () => {
    const started = await startApplication((request, response) => {
      response.end(`${request.headers['x-forwarded-proto']} ${request.headers['via']}.`);
    });
    application = started.server;
    const listener = {
      ...gatewayListener(443, [routeRule()], 'shop.example'),
      protocol: 'Https' as const,
      certificates: ['shop/edge-tls'],
    };
    state = await StateFixture.make([...webResources([started.port]), listener]);
    folder = mkdtempSync(join(tmpdir(), 'weft-certificates-'));
    const root = await createServerRoot(24 * HOUR_MS, Date.now());
    rootPem = root.certificatePem;
    const issued = await issueServerCertificate(root, ['shop.example'], HOUR_MS, Date.now());
    assert.ok(issued.ok);
    mkdirSync(join(folder, 'shop', 'edge-tls'), { recursive: true });
    writeFileSync(join(folder, 'shop', 'edge-tls', 'tls.crt'), issued.value.certificatePem);
    writeFileSync(join(folder, 'shop', 'edge-tls', 'tls.key'), issued.value.keyPem);
  });

  after(() => {
    application.close();
    application.closeAllConnections();
    state.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  function dial(port: number, options: ConnectionOptions = {}): TLSSocket {
    return connect({ host: '127.0.0.1', port, ca: rootPem, servername: 'shop.example', ...options });
  }

  async function answer(socket: TLSSocket): Promise<string> {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.write(REQUEST);
    await eventually(() => text.endsWith('.'), 5_000);
    return text.slice(text.lastIndexOf('\n') + 1);
  }

  for (const workers of [1, 2]) {
    it(`with ${workers} of threads serves HTTPS from its folder and resumes a session in any of them`, async () => {
      const lines: LogLine[] = [];
      const proxy = await startProxy(
        webOptions(state.path, lines, {
          mode: 'gateway',
          gateway: 'shop/edge',
          outboundPort: -1,
          gatewayPorts: new Map([[443, 0]]),
          certificateFolder: folder,
          ...(workers > 1 ? { workers } : {}),
        }),
      );
      try {
        const port = proxy.gatewayPorts.get(443)!;
        const first = dial(port);
        const ticket = once(first, 'session');
        assert.equal(await answer(first), 'https 1.1 weft.');
        const [session] = (await ticket) as [Buffer];
        const metrics = await ask({ port: proxy.metricsPort, path: '/metrics' });
        assert.match(metrics, /weft_downstream_connections_open\{caller="edge",protocol="http\/1\.1"\} 1\n/);
        const expiry = /weft_certificate_expiry_timestamp_seconds\{kind="edge",identity="shop\/edge-tls"\} (\d+)/.exec(
          metrics,
        );
        assert.ok(Math.abs(Number(expiry?.[1]) * 1000 - (Date.now() + HOUR_MS)) < 10 * 60_000, String(expiry?.[0]));
        first.destroy();
        // The system hands connections to threads as it likes: eight at one of two is one chance in 128.
        for (let round = 0; round < 8; round += 1) {
          const next = dial(port, { session });
          await once(next, 'secureConnect');
          assert.equal(next.isSessionReused(), true);
          next.destroy();
        }
      } finally {
        await proxy.stop();
      }
    });
  }
});
