import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadDriver } from '../bench/load/load-driver.ts';
import type { HoldRun } from '../bench/load/load-driver.ts';
import { writeHeap } from '../bench/subjects/probe.ts';
import { benchHost } from '../bench/subjects/subject.ts';
import { clientTls } from '../bench/subjects/weft-state.ts';
import { startCountedSidecar, stopSidecar } from './counted-sidecar.ts';
import type { CountedSidecar } from './counted-sidecar.ts';
import { growthPer, readCensus } from './heap-census.ts';
import type { Census } from './heap-census.ts';
import { LockstepLoad } from './lockstep-load.ts';

/** Before the first census, so that what a proxy sets aside once is not counted per connection. */
const FIRST = 20;
const THEN = 80;

/** What a connection keeps of ours between two requests: one of each, for the next request to use again. */
const oneEach = [
  'Http1DownstreamConnection',
  'BytePipe',
  'Http1RequestReader',
  'HeadScanner',
  'BodyReader',
  'Head',
  'RequestFacts',
  'ResponseFacts',
  'Exchange',
  'RouteDecision',
];

interface Way {
  readonly name: string;
  readonly role: CountedSidecar['role'];
  /** Objects with a constructor, and functions, Node's own included. Some two more than there were when this was written. */
  readonly mostObjects: number;
  /** On the heap and held from it outside. What OpenSSL keeps is not seen; the bench has the resident bytes. */
  readonly mostBytes: number;
}

const ways: readonly Way[] = [
  { name: 'a plain connection', role: 'plain', mostObjects: 50, mostBytes: 8_000 },
  { name: 'a connection with mutual TLS', role: 'server', mostObjects: 82, mostBytes: 14_000 },
];

for (const { name, role, mostObjects, mostBytes } of ways) {
  test(
    `${name} that idles keeps one of each object of ours, and at most ${mostObjects} objects and ${mostBytes} bytes`,
    { timeout: 60_000 },
    async (context) => {
      const growth = await growthPerConnection(role);
      for (const constructor of oneEach) {
        assert.equal(growth.get(`object ${constructor}`)?.count, 1, `${constructor} per connection`);
      }
      let objects = 0;
      let bytes = 0;
      for (const [key, population] of growth) {
        if (/^(object|closure) /.test(key)) objects += population.count;
        bytes += population.bytes;
      }
      const most = [...growth].toSorted(([, left], [, right]) => right.bytes - left.bytes).slice(0, 5);
      const said = `${objects.toFixed(1)} objects, ${bytes.toFixed(0)} bytes; most in ${most.map(([key, { count, bytes: each }]) => `${count.toFixed(1)} ${key} (${each.toFixed(0)})`).join(', ')}`;
      context.diagnostic(said);
      assert.ok(objects <= mostObjects, said);
      assert.ok(bytes <= mostBytes, said);
    },
  );
}

/** What one more connection leaves on the heap of a sidecar after its request has been answered. */
async function growthPerConnection(role: CountedSidecar['role']): Promise<Census> {
  const upstream = await LockstepLoad.start();
  const sidecar = await startCountedSidecar({ role, upstreamPort: upstream.upstreamPort, probed: true });
  try {
    const driver = new LoadDriver(sidecar.workbench);
    const hold: Omit<HoldRun, 'connections'> = {
      do: 'hold',
      port: sidecar.port,
      host: benchHost,
      ...(role === 'plain' ? {} : { tls: await clientTls(sidecar.workbench) }),
    };
    await driver.run({ ...hold, connections: FIRST });
    const before = readCensus(await writeHeap(sidecar.probe, sidecar.pid));
    await driver.run({ ...hold, connections: THEN });
    const after = readCensus(await writeHeap(sidecar.probe, sidecar.pid));
    const alive = (await driver.run({ do: 'alive' })).completed;
    assert.equal(alive, FIRST + THEN, 'the sidecar closed connections');
    return growthPer(THEN, before, after);
  } finally {
    await stopSidecar(sidecar);
    await upstream.stop();
  }
}
