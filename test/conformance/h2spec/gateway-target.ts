import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServerRoot, issueServerCertificate } from '@weft/identity';
import { systemClock } from '@weft/kernel';
import {
  PlaneFixture,
  gatewayListener,
  ingressOf,
  plainEndpoint,
  routeRule,
} from '../../../packages/proxy/src/fixture/plane-fixture.ts';
import { GatewayListener } from '../../../packages/proxy/src/listen/gateway-listener.ts';
import { CertificateFolder } from '../../../packages/proxy/src/security/certificate-folder.ts';
import type { Target } from './codec-target.ts';

const HOUR_MS = 3_600_000;
const PORT = 443;

/** An HTTPS listener of a gateway for any host, before an HTTP/1.1 application: `h2` by ALPN, over TLS as browsers speak it. */
export async function startGatewayTarget(): Promise<Target> {
  const application = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end('conformance\n'));
  });
  application.listen(0, '127.0.0.1');
  await once(application, 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'weft-edge-'));
  const root = await createServerRoot(24 * HOUR_MS, systemClock.wallMs());
  const issued = await issueServerCertificate(root, ['edge.example'], HOUR_MS, systemClock.wallMs());
  if (!issued.ok) throw new Error(`no certificate: ${JSON.stringify(issued.error)}`);
  mkdirSync(join(folder, 'shop', 'any'), { recursive: true });
  writeFileSync(join(folder, 'shop', 'any', 'tls.key'), issued.value.keyPem);
  writeFileSync(join(folder, 'shop', 'any', 'tls.crt'), issued.value.certificatePem);
  const fixture = new PlaneFixture({ gateway: true });
  fixture.serveOrders([plainEndpoint((application.address() as AddressInfo).port)]);
  fixture.put({
    ...gatewayListener(PORT, [routeRule()]),
    name: 'shop/edge/any',
    protocol: 'Https',
    certificates: ['shop/any'],
  });
  const quiet = (): void => {};
  const listener = new GatewayListener(
    fixture.listenerOptions(),
    ingressOf({ kind: 'gateway', listener: String(PORT) }),
    new CertificateFolder(folder, systemClock, { debug: quiet, info: quiet, warn: quiet, error: quiet }),
    randomBytes(48),
  );
  await listener.listen();
  return {
    port: listener.port,
    async close() {
      listener.destroy();
      fixture.close();
      application.closeAllConnections();
      application.close();
      await once(application, 'close');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
