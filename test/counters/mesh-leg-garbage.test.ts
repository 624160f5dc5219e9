import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHeap } from '../bench/subjects/probe.ts';
import { startCountedSidecar, stopSidecar } from './counted-sidecar.ts';
import { LockstepLoad } from './lockstep-load.ts';

/** A stream is an object that HTTP/1.1 does not have. Windows at the caller's sidecar give 1,120 to 1,440. */
const MOST_BYTES = 1_500;
const CONNECTIONS = 16;
const WARM_UP_ROUNDS = 2_000;
const WINDOW_ROUNDS = 300;
const MOST_WINDOWS = 12;

test(
  'a request between sidecars allocates at most 1.5 KB on the heap of each',
  { timeout: 90_000 },
  async (context) => {
    const load = await LockstepLoad.start();
    const server = await startCountedSidecar({ role: 'server', upstreamPort: load.upstreamPort, probed: true });
    const client = await startCountedSidecar({ role: 'plain', upstreamPort: server.port, probed: true, mesh: true });
    try {
      await load.open(client.port, CONNECTIONS);
      await load.run(WARM_UP_ROUNDS);
      const held = process.platform === 'linux' ? [client.pid, server.pid] : [];
      for (const sidecar of [client, server]) {
        const windows: number[] = [];
        while (windows.length < MOST_WINDOWS && !windows.some((bytes) => bytes <= MOST_BYTES)) {
          const before = await readHeap(sidecar.probe, sidecar.pid, false);
          const requests = await load.run(WINDOW_ROUNDS, held);
          const after = await readHeap(sidecar.probe, sidecar.pid, false);
          windows.push((after.allocatedBytes - before.allocatedBytes) / requests);
        }
        const said = `${sidecar.role}: ${windows.map((bytes) => bytes.toFixed(0)).join(', ')} B/request, window after window`;
        context.diagnostic(said);
        assert.ok(
          windows.some((bytes) => bytes > 0 && bytes <= MOST_BYTES),
          `${said}: none is at most ${MOST_BYTES}`,
        );
      }
    } finally {
      await stopSidecar(client);
      await stopSidecar(server);
      await load.stop();
    }
  },
);
