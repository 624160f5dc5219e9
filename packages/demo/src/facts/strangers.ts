import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { makeForeignLeaf } from '../foreign-leaf.ts';
import { shortLivedNamespace, shortLivedTrustDomain } from '../short-lived-mesh.ts';
import type { ShortLivedMesh } from '../short-lived-mesh.ts';
import { delay } from '../wait-until.ts';
import type { Trial } from './fact.ts';

const REQUEST = 'GET /stock HTTP/1.1\r\nhost: stock\r\nconnection: close\r\n\r\n';
const PATIENCE_MS = 2_000;
/** Until what was let through would have reached the application. */
const SETTLE_MS = 200;

/**
 * Clients that the mesh did not admit, at the port where a sidecar expects its peers. A client with a good leaf goes the
 * same way first: if that did not reach the application, nothing would be proven.
 */
export const strangers: Trial<ShortLivedMesh> = {
  facts: [
    {
      name: 'a foreign certificate, an expired one, none, no TLS at all',
      expected: '0 bytes reach the application; a good one is served',
    },
  ],
  async run(mesh) {
    const { web, stock, firstLeaf } = mesh;
    const port = stock.sidecar.inboundPort;
    const own = readFileSync(join(web.sidecar.stateFolder, 'svid.pem'), 'utf8');
    const identity = `spiffe://${shortLivedTrustDomain}/ns/${shortLivedNamespace}/sa/web`;
    const clients: readonly { name: string; pem: string | undefined }[] = [
      { name: 'good', pem: own },
      { name: 'foreign', pem: await makeForeignLeaf(identity) },
      { name: 'expired', pem: firstLeaf },
      { name: 'none', pem: '' },
      { name: 'no TLS', pem: undefined },
    ];
    const texts: string[] = [];
    let good = true;
    for (const { name, pem } of clients) {
      const before = await stock.service.counts();
      const answer = await knock(port, pem);
      await delay(SETTLE_MS);
      const after = await stock.service.counts();
      const bytes = after.bytes - before.bytes;
      const served = answer.includes('stock 42');
      texts.push(`${name}: ${bytes} bytes${served ? ', served' : ''}`);
      good &&= name === 'good' ? bytes > 0 && served : bytes === 0 && !served;
    }
    return [{ ok: good, measured: texts.join('; ') }];
  },
};

/** Sends a request as a stranger does and gives whatever came back. Undefined: without TLS; empty: without a certificate. */
function knock(port: number, pem: string | undefined): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const own = pem === undefined || pem === '' ? {} : { key: pem, cert: pem };
    const socket: Socket =
      pem === undefined
        ? connect(port, '127.0.0.1', () => socket.write(REQUEST))
        : tls.connect(
            {
              ...own,
              host: '127.0.0.1',
              port,
              ALPNProtocols: ['weft-http/1.1'],
              minVersion: 'TLSv1.3',
              rejectUnauthorized: false,
            },
            () => socket.write(REQUEST),
          );
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
