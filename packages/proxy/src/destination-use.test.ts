import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@weft/testkit';
import { DestinationUse, unusedAfterMs } from './destination-use.ts';
import type { DestinationUsePort } from './destination-use.ts';
import { PlaneFixture, ordersKey, plainEndpoint } from './fixture/plane-fixture.ts';
import { ask, startApplication } from './fixture/proxy-fixture.ts';

const MINUTE_MS = 60_000;

class Port implements DestinationUsePort {
  readonly subscribed: Set<string>;
  readonly said: string[];
  connected: boolean;
  used: string[];

  constructor(subscribed: readonly string[]) {
    this.subscribed = new Set(subscribed);
    this.said = [];
    this.connected = true;
    this.used = [];
  }

  takeUsed(): readonly string[] {
    return this.used.splice(0);
  }

  subscribe(keys: readonly string[]): void {
    for (const key of keys) this.subscribed.add(key);
    this.said.push(`+${keys.join()}`);
  }

  unsubscribe(keys: readonly string[]): void {
    for (const key of keys) this.subscribed.delete(key);
    this.said.push(`-${keys.join()}`);
  }
}

function start(subscribed: readonly string[]): { clock: FakeClock; port: Port } {
  const clock = new FakeClock();
  const port = new Port(subscribed);
  new DestinationUse(port, clock, clock.wheel()).start();
  return { clock, port };
}

describe('a destination', () => {
  it('is let go when nobody has called it for an hour, and no sooner', () => {
    const { clock, port } = start(['shop/orders:80', 'shop/cart:80']);
    for (let minute = 0; minute < 60; minute += 1) {
      port.used.push('shop/cart:80');
      clock.advance(MINUTE_MS);
    }
    assert.deepEqual(port.said, []);
    clock.advance(2 * MINUTE_MS);
    assert.deepEqual(port.said, ['-shop/orders:80']);
    assert.deepEqual([...port.subscribed], ['shop/cart:80']);
  });

  it('is kept while the control plane is away, and let go when it is back', () => {
    const { clock, port } = start(['shop/orders:80']);
    port.connected = false;
    clock.advance(3 * unusedAfterMs);
    assert.deepEqual(port.said, []);
    port.connected = true;
    clock.advance(unusedAfterMs + 2 * MINUTE_MS);
    assert.deepEqual(port.said, ['-shop/orders:80']);
  });

  it('is wanted again when it was called while it was let go', () => {
    const { clock, port } = start(['shop/orders:80']);
    clock.advance(unusedAfterMs + 2 * MINUTE_MS);
    port.used.push('shop/orders:80');
    clock.advance(MINUTE_MS);
    assert.deepEqual(port.said, ['-shop/orders:80', '+shop/orders:80']);
    clock.advance(unusedAfterMs - MINUTE_MS);
    assert.equal(port.said.length, 2);
  });

  it('counts as called by requests for it, not by being held', async () => {
    const application = await startApplication((_request, response) => response.end('ok'));
    const fixture = new PlaneFixture();
    try {
      fixture.serveOrders([plainEndpoint(application.port)]);
      const { port } = await fixture.listen();
      assert.deepEqual(fixture.plane.takeUsed(), []);
      assert.equal(await ask({ host: '127.0.0.1', port }), '200 ok');
      assert.equal(await ask({ host: '127.0.0.1', port }), '200 ok');
      assert.deepEqual(fixture.plane.takeUsed(), [ordersKey]);
      assert.deepEqual(fixture.plane.takeUsed(), []);
    } finally {
      fixture.close();
      application.server.close();
      application.server.closeAllConnections();
    }
  });
});
