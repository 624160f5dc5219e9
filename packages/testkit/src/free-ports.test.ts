import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { freePorts } from './free-ports.ts';

describe('freePorts', () => {
  it('gives different ports that can be listened on, and none twice', async () => {
    const ports = [...(await freePorts(8)), ...(await freePorts(8))];
    assert.equal(new Set(ports).size, 16);
    for (const port of ports) {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', resolve);
      });
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('gives none that the system may give to somebody who names no port', async () => {
    const highest = Math.max(...(await freePorts(50)));
    assert.ok(highest < 32_768, String(highest));
  });
});
