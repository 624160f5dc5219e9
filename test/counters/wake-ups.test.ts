import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startViewServer, versionAll } from '../bench/control/view-server.ts';
import { callerView, startCountedSidecar, stopSidecar } from './counted-sidecar.ts';
import { LockstepLoad } from './lockstep-load.ts';

/** A sidecar at rest must let its processor sleep: there may be a hundred of them on a machine. */
const MOST_PER_SECOND = 20;
/** What a start and a first request leave to do has been done by then. */
const QUIET_MS = 4_000;
const WATCHED_MS = 5_000;

test(
  'an idle sidecar with its control stream open wakes at most 20 times a second',
  { timeout: 60_000 },
  async (context) => {
    if (process.platform !== 'linux') {
      context.skip('wake-ups are counted by /proc, which only Linux has');
      return;
    }
    const load = await LockstepLoad.start();
    const server = await startViewServer(versionAll(callerView(load.upstreamPort)));
    const opened = server.untilOpened();
    const sidecar = await startCountedSidecar({
      role: 'plain',
      upstreamPort: load.upstreamPort,
      controlAddress: server.address,
      probed: false,
    });
    try {
      await opened;
      await load.open(sidecar.port, 1);
      await load.run(10);
      await sleep(QUIET_MS);
      const before = switchesByThread(sidecar.pid);
      const startMs = performance.now();
      await sleep(WATCHED_MS);
      const seconds = (performance.now() - startMs) / 1_000;
      const rates = [...switchesByThread(sidecar.pid)].map(([thread, { name, switches }]) => ({
        name,
        rate: (switches - (before.get(thread)?.switches ?? 0)) / seconds,
      }));
      const perSecond = rates.reduce((sum, { rate }) => sum + rate, 0);
      const said = `${perSecond.toFixed(1)} wake-ups/s: ${rates
        .filter(({ rate }) => rate > 0)
        .map(({ name, rate }) => `${name} ${rate.toFixed(1)}`)
        .join(', ')}`;
      context.diagnostic(said);
      assert.ok(perSecond > 0, 'nothing was counted');
      assert.ok(perSecond <= MOST_PER_SECOND, said);
    } finally {
      await stopSidecar(sidecar);
      await server.stop();
      await load.stop();
    }
  },
);

/** How often each thread has gone to sleep by its own will since it started: as often as it was woken. */
function switchesByThread(pid: number): Map<string, { name: string; switches: number }> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
      const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? '';
      return [thread, { name, switches: Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)?.[1]) }];
    }),
  );
}
