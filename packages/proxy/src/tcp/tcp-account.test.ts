import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PlaneFixture, backendPolicy, ingressOf, ordersKey, plainEndpoint } from '../fixture/plane-fixture.ts';
import { tcpNames } from '../fixture/tcp-fixture.ts';
import { TcpAccount } from './tcp-account.ts';
import { TcpRelay } from './tcp-relay.ts';
import { TcpRouting } from './tcp-routing.ts';
import { TcpTries } from './tcp-tries.ts';
import type { TriesOwner } from './tcp-tries.ts';

const nobody: TriesOwner = {
  onOpened() {},
  onGivenUp() {},
  onUpstreamBytes() {},
  onUpstreamEnd() {},
  onUpstreamDrained() {},
  onUpstreamClose() {},
};

describe('the account of a TCP connection', () => {
  it('tells what has moved since the last time, and the rest before the end', (t) => {
    const fixture = new PlaneFixture();
    t.after(() => fixture.close());
    fixture.put(tcpNames);
    fixture.serveOrders([plainEndpoint(1)]);
    const ingress = ingressOf({});
    const relay = new TcpRelay();
    const tries = new TcpTries(fixture.plane, nobody);
    const routing = new TcpRouting(fixture.plane, ingress, {
      onRouted: (backend) => void tries.admit(backend),
      onUnroutable: (code) => assert.fail(code),
      said: null,
    });
    const account = new TcpAccount(fixture.plane, ingress, { routing, tries, relay });
    routing.begin(null);
    account.begin();
    account.count();
    relay.receivedBytes = 10;
    account.count();
    account.count();
    relay.sentBytes = 7;
    account.end('completed', '');
    const { moves, begunCount } = fixture.tcpRecorder;
    assert.deepEqual(moves, [
      [10, 0],
      [0, 7],
    ]);
    assert.equal(begunCount, 1);
    const [ended] = fixture.tcpRecorder.ends;
    assert.deepEqual([ended?.receivedBytes, ended?.sentBytes, ended?.destination], [10, 7, ordersKey]);
    tries.finish('completed', false);
  });

  it('names the backend as the destination where the listener stands for none', (t) => {
    const fixture = new PlaneFixture({ gateway: true });
    t.after(() => fixture.close());
    fixture.put(backendPolicy());
    fixture.serveOrders([plainEndpoint(1)]);
    const ingress = ingressOf({ kind: 'gateway', listener: '5432' });
    const tries = new TcpTries(fixture.plane, nobody);
    const routing = new TcpRouting(fixture.plane, ingress, { onRouted() {}, onUnroutable() {}, said: null });
    const account = new TcpAccount(fixture.plane, ingress, { routing, tries, relay: new TcpRelay() });
    assert.equal(account.destination, '');
    assert.equal(tries.admit(fixture.plane.tables.backend(ordersKey)!), undefined);
    assert.equal(account.destination, ordersKey);
    tries.finish('downstream-reset', true);
  });
});
