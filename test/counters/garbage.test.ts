import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHeap } from '../bench/subjects/probe.ts';
import { startCountedSidecar, stopSidecar } from './counted-sidecar.ts';
import { LockstepLoad } from './lockstep-load.ts';

/** Two thirds of what performance is held to (1.5 KB); the goal is 300 bytes. Windows give 690 to 860. */
const MOST_BYTES = 1_000;
const CONNECTIONS = 16;
/** Requests over every connection until most of the path is compiled, and of one window. */
const WARM_UP_ROUNDS = 2_000;
const WINDOW_ROUNDS = 300;
/** So many requests (about 90,000 in all) and V8 has optimized what it ever will; on most machines three are enough. */
const MOST_WINDOWS = 12;

test('a proxied request allocates at most 1.5 KB on the heap', { timeout: 60_000 }, async (context) => {
  const load = await LockstepLoad.start();
  const sidecar = await startCountedSidecar({ role: 'plain', upstreamPort: load.upstreamPort, probed: true });
  try {
    await load.open(sidecar.port, CONNECTIONS);
    await load.run(WARM_UP_ROUNDS);
    const held = process.platform === 'linux' ? [sidecar.pid] : [];
    const windows: number[] = [];
    // The smallest counts: code that is not optimized yet boxes numbers, and what V8 allocates to compile a function that
    // has become hot falls into one window or another.
    while (windows.length < MOST_WINDOWS && !windows.some((bytes) => bytes <= MOST_BYTES)) {
      const before = await readHeap(sidecar.probe, sidecar.pid, false);
      const requests = await load.run(WINDOW_ROUNDS, held);
      const after = await readHeap(sidecar.probe, sidecar.pid, false);
      windows.push((after.allocatedBytes - before.allocatedBytes) / requests);
    }
    const said = `${windows.map((bytes) => bytes.toFixed(0)).join(', ')} B/request, window after window`;
    context.diagnostic(said);
    assert.ok(
      windows.some((bytes) => bytes > 0 && bytes <= MOST_BYTES),
      `${said}: none is at most ${MOST_BYTES}`,
    );
  } finally {
    await stopSidecar(sidecar);
    await load.stop();
  }
});
