import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { connect, createServer } from 'node:tls';
import { createServerRoot, issueServerCertificate, serverRootEnd } from './server-certificate.ts';

const DAY_MS = 86_400_000;

describe('a certificate of a server', () => {
  it('is taken by a TLS client that trusts its root, for its names only', async () => {
    const root = await createServerRoot(DAY_MS, Date.now());
    const issued = await issueServerCertificate(root, ['weft-control.weft-system.svc'], DAY_MS, Date.now());
    assert.ok(issued.ok);
    const server = createServer({ cert: issued.value.certificatePem, key: issued.value.keyPem }, (socket) =>
      socket.end('hello'),
    );
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const call = async (servername: string, ca: string): Promise<string> => {
      const socket = connect({ port, host: '127.0.0.1', servername, ca });
      try {
        await once(socket, 'secureConnect');
        return 'taken';
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? 'refused';
      } finally {
        socket.destroy();
      }
    };
    const other = await createServerRoot(DAY_MS, Date.now());
    assert.equal(await call('weft-control.weft-system.svc', root.certificatePem), 'taken');
    assert.equal(await call('weft-control.other.svc', root.certificatePem), 'ERR_TLS_CERT_ALTNAME_INVALID');
    assert.notEqual(await call('weft-control.weft-system.svc', other.certificatePem), 'taken');
    server.close();
  });

  it('ends with its root at the latest, and is not made by one that has ended or is none', async () => {
    const nowMs = Date.parse('2026-03-01T00:00:00Z');
    const root = await createServerRoot(DAY_MS, nowMs);
    assert.equal(serverRootEnd(root), nowMs + DAY_MS);
    const issued = await issueServerCertificate(root, ['a.svc'], 30 * DAY_MS, nowMs);
    assert.ok(issued.ok);
    assert.equal(issued.value.notAfterMs, nowMs + DAY_MS);
    assert.equal(new X509Certificate(issued.value.certificatePem).ca, false);
    assert.deepEqual(await issueServerCertificate(root, ['a.svc'], DAY_MS, nowMs + DAY_MS), {
      ok: false,
      error: 'the root has expired',
    });
    const other = await createServerRoot(DAY_MS, nowMs);
    const mixed = { certificatePem: root.certificatePem, keyPem: other.keyPem };
    for (const wrong of [
      mixed,
      { certificatePem: 'x', keyPem: root.keyPem },
      { certificatePem: root.certificatePem, keyPem: 'x' },
    ]) {
      assert.equal(serverRootEnd(wrong), undefined);
      assert.equal((await issueServerCertificate(wrong, ['a.svc'], DAY_MS, nowMs)).ok, false);
    }
  });
});
