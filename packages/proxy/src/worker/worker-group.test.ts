import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { TimerWheel, systemClock } from '@weft/kernel';
import type { Resource, ResourceKey } from '@weft/model';
import { eventually } from '@weft/testkit';
import type { Changes } from '@weft/wire';
import { makeAuthority, makeSvid, meshTls } from '../fixture/mesh-fixture.ts';
import { ordersKey, plainEndpoint } from '../fixture/plane-fixture.ts';
import { StateFixture, ask, askThrough, startApplication, webOptions, webResources } from '../fixture/proxy-fixture.ts';
import type { LogLine } from '../fixture/proxy-fixture.ts';
import { startProxy } from '../proxy.ts';
import { ResourceStore } from '../resource-store.ts';
import { servingSettings } from '../serving-thread.ts';
import { WorkerGroup } from './worker-group.ts';

/** Answers of so many connections at once: with two threads, all on one has a chance of 2^-31. */
const CONNECTIONS = 32;

function askMany(port: number): Promise<string[]> {
  return Promise.all(Array.from({ length: CONNECTIONS }, () => askThrough(port)));
}

/** A group of two threads on its own, whose threads a test can end. */
class GroupFixture {
  readonly group: WorkerGroup;
  readonly threads: Worker[];
  readonly lines: LogLine[];
  readonly demanded: string[];
  readonly store: ResourceStore;
  private readonly wheel: TimerWheel;

  constructor(resources: readonly Resource[]) {
    this.threads = [];
    this.lines = [];
    this.demanded = [];
    this.wheel = new TimerWheel(systemClock);
    this.wheel.start();
    this.store = new ResourceStore(
      new Map(resources.map((resource) => [`${resource.type}:${resource.name}`, { hash: 'first', resource }])),
    );
    const options = webOptions('', this.lines);
    this.group = new WorkerGroup({
      settings: servingSettings(options, 2, systemClock),
      keyAgreement: 'classical',
      log: options.log,
      clock: systemClock,
      wheel: this.wheel,
      lines: { write: (_text, done) => void setImmediate(() => done(undefined)) },
      held: () => this.store.resources,
      onTapped: () => undefined,
      onDemand: (key) => this.demanded.push(key),
      startThread: (start) => {
        const thread = new Worker(new URL('./worker-main.ts', import.meta.url), { workerData: start });
        this.threads.push(thread);
        return thread;
      },
    });
  }

  async start(): Promise<number> {
    const authority = await makeAuthority();
    this.group.useIdentity(meshTls(await makeSvid(authority, 'web'), authority.bundle));
    await this.group.restore(this.store.resources);
    return this.group.listen({ kind: 'explicit', name: 'outbound', host: '127.0.0.1' }, 0);
  }

  async put(resource: Resource, hash: string): Promise<readonly { key: ResourceKey; message: string }[]> {
    const changes: Changes = {
      upserted: [{ key: `${resource.type}:${resource.name}`, hash, resource, previous: null }],
      removed: [],
    };
    const { errors } = await this.store.change(changes, (next) => this.group.apply(changes, next), 0);
    return errors;
  }

  async stop(): Promise<void> {
    await this.group.destroy();
    this.wheel.stop();
  }
}

describe('a proxy with two worker threads', () => {
  let application: Server;
  let applicationPort = 0;
  let state: StateFixture;
  const held: ServerResponse[] = [];

  before(async () => {
    const started = await startApplication((incoming, response) => {
      if (incoming.url === '/held') held.push(response);
      else response.end('ok');
    });
    application = started.server;
    applicationPort = started.port;
    state = await StateFixture.make(webResources([applicationPort]));
  });

  after(() => {
    application.close();
    application.closeAllConnections();
    state.remove();
  });

  it('serves one port with both, counts what both did, and writes whole log lines', async () => {
    const lines: LogLine[] = [];
    const accessPath = join(state.path, 'access.log');
    const accessLogFd = openSync(accessPath, 'a');
    const options = webOptions(state.path, lines, { workers: 2, accessLog: 'Always', accessLogFd });
    const proxy = await startProxy(options);
    try {
      assert.equal(proxy.notReady(), '');
      const answers = await askMany(proxy.outboundPort);
      assert.deepEqual(new Set(answers), new Set(['200 ok']));
      // A caller has its answer before the thread has written its account of it.
      await eventually(async () => {
        const stats = JSON.parse((await ask({ port: proxy.statsPort, path: '/stats' })).slice(4)) as {
          destinations: { key: string; endpoints: { tries: number }[]; connections: { connects: number } }[];
        };
        assert.equal(stats.destinations.length, 1);
        assert.equal(stats.destinations[0]!.endpoints.length, 1);
        assert.equal(stats.destinations[0]!.endpoints[0]!.tries, CONNECTIONS);
      }, 5_000);
      await eventually(() => readFileSync(accessPath, 'utf8').split('\n').length === CONNECTIONS + 1, 5_000);
      for (const line of readFileSync(accessPath, 'utf8').trim().split('\n')) {
        assert.equal((JSON.parse(line) as { status: number }).status, 200);
      }
      // Nor is a line counted before the system has said that it is written.
      await eventually(async () => {
        const metrics = await ask({ port: proxy.metricsPort, path: '/metrics' });
        assert.match(
          metrics,
          new RegExp(`weft_requests_total\\{[^}]*destination="shop/orders"[^}]*\\} ${CONNECTIONS}\n`),
        );
        assert.match(metrics, new RegExp(`weft_log_lines_total ${CONNECTIONS}\n`));
        assert.match(metrics, /weft_upstream_endpoints\{destination="shop\/orders:80"\} 1\n/);
      }, 5_000);
    } finally {
      await proxy.stop();
      closeSync(accessLogFd);
    }
  });

  it('says that a port is taken, which sharing would hide', async () => {
    const other = createServer();
    other.listen({ host: '127.0.0.1', port: 0, reusePort: true });
    await once(other, 'listening');
    const outboundPort = (other.address() as AddressInfo).port;
    try {
      const options = webOptions(state.path, [], { workers: 2, outboundPort });
      await assert.rejects(startProxy(options), /^Error: the outbound proxy cannot listen: port \d+ is taken/);
    } finally {
      other.close();
    }
  });

  it('loses none of 500 requests in flight when it drains', async () => {
    const proxy = await startProxy(webOptions(state.path, [], { workers: 2 }));
    try {
      const answers = Array.from({ length: 500 }, () => askThrough(proxy.outboundPort, '/held'));
      const settled = Promise.allSettled(answers);
      await eventually(() => held.length === 500, 10_000);
      const drained = proxy.drain();
      let over = false;
      void drained.then(() => (over = true));
      for (const response of held.splice(0, 250)) response.end('ok');
      // Both threads have stopped accepting, and still answer what they had accepted.
      while (!(await refused(proxy.outboundPort)));
      assert.equal(over, false);
      for (const response of held.splice(0)) response.end('ok');
      await drained;
      const failures = (await settled).filter((each) => each.status === 'rejected' || each.value !== '200 ok');
      assert.deepEqual(failures, []);
    } finally {
      await proxy.stop();
    }
  });
});

describe('a group of worker threads', () => {
  let one: { server: Server; port: number };
  let other: { server: Server; port: number };

  before(async () => {
    one = await startApplication((_request, response) => response.end('one'));
    other = await startApplication((_request, response) => response.end('other'));
  });

  after(() => {
    for (const { server } of [one, other]) {
      server.close();
      server.closeAllConnections();
    }
  });

  it('puts a change into force in all threads before it says so', async () => {
    const fixture = new GroupFixture(webResources([one.port]));
    try {
      const port = await fixture.start();
      const before = fixture.group.inForce.version;
      assert.deepEqual(new Set(await askMany(port)), new Set(['200 one']));
      const endpoints = [plainEndpoint(other.port)];
      assert.deepEqual(await fixture.put({ type: 'endpoints', name: ordersKey, endpoints }, 'second'), []);
      assert.deepEqual(new Set(await askMany(port)), new Set(['200 other']));
      assert.notEqual(fixture.group.inForce.version, before);
    } finally {
      await fixture.stop();
    }
  });

  it('asks for a destination that a thread misses', async () => {
    const fixture = new GroupFixture(
      webResources([one.port]).filter(({ type }) => type === 'names' || type === 'mesh'),
    );
    try {
      const port = await fixture.start();
      const answer = askThrough(port);
      await eventually(() => fixture.demanded.includes(ordersKey), 2_000);
      fixture.group.missing([ordersKey]);
      assert.match(await answer, /^404 /);
    } finally {
      await fixture.stop();
    }
  });

  it('starts a thread again that was killed, with what is in force by then', async () => {
    const fixture = new GroupFixture(webResources([one.port]));
    try {
      const port = await fixture.start();
      await fixture.threads[0]!.terminate();
      // The one that is left serves all, and changes go on.
      assert.deepEqual(new Set(await askMany(port)), new Set(['200 one']));
      await fixture.put({ type: 'endpoints', name: ordersKey, endpoints: [plainEndpoint(other.port)] }, 'second');
      const said = () => fixture.lines.map(({ message }) => message);
      await eventually(() => said().includes('a worker thread serves again'), 5_000);
      assert.ok(said().some((message) => message.startsWith('a worker thread ended (exit 1)')));
      assert.equal(fixture.threads.length, 3);
      // Now the other one goes: what answers is the thread that was started again.
      const ended = once(fixture.threads[1]!, 'exit');
      await fixture.threads[1]!.terminate();
      await ended;
      assert.deepEqual(new Set(await askMany(port)), new Set(['200 other']));
    } finally {
      await fixture.stop();
    }
  });

  it('ends its threads when it is stopped', async () => {
    const fixture = new GroupFixture(webResources([one.port]));
    const port = await fixture.start();
    const ends = fixture.threads.map((thread) => once(thread, 'exit'));
    await fixture.stop();
    await Promise.all(ends);
    assert.equal(await refused(port), true);
    assert.deepEqual(
      fixture.lines.filter(({ level }) => level === 'error'),
      [],
    );
  });
});

/** Whether nobody listens there. */
function refused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, agent: false, headers: { host: 'orders' } }, (response) => {
      response.resume();
      resolve(false);
    });
    sent.on('error', () => resolve(true));
    sent.end();
  });
}
