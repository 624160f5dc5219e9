import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { PlaneFixture, plainEndpoint } from '../fixture/plane-fixture.ts';

const run = promisify(execFile);

function missing(program: string, how: string): string | false {
  return spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed: ${how}`;
}

describe('HTTP/2 with prior knowledge', () => {
  let application: Server;
  let fixture: PlaneFixture;
  let url = '';

  before(async () => {
    application = createServer((request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => response.end(`${request.method} ${bytes}`));
    });
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    fixture = new PlaneFixture();
    fixture.serveOrders([plainEndpoint((application.address() as AddressInfo).port)]);
    // Local addresses take `localhost` as a name of their service.
    url = `http://127.0.0.1:${(await fixture.listen()).port}/`;
  });
  after(() => {
    fixture.close();
    application.closeAllConnections();
    application.close();
  });

  it('is spoken by curl, with a body too', { skip: missing('curl', 'apt-get install curl') }, async () => {
    const common = ['-s', '--max-time', '10', '--http2-prior-knowledge', '-w', ' %{http_version} %{http_code}'];
    assert.equal((await run('curl', [...common, url])).stdout, 'GET 0 2 200');
    assert.equal((await run('curl', [...common, '-d', 'x'.repeat(100_000), url])).stdout, 'POST 100000 2 200');
  });

  it(
    'carries 1,000 requests of h2load without a failure',
    { skip: missing('h2load', 'apt-get install nghttp2-client') },
    async () => {
      const { stdout } = await run('h2load', ['-n', '1000', '-c', '4', '-m', '16', url], { timeout: 20_000 });
      assert.match(stdout, /1000 succeeded, 0 failed, 0 errored, 0 timeout/);
      assert.match(stdout, /status codes: 1000 2xx/);
    },
  );
});
