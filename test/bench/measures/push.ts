import { setTimeout as sleep } from 'node:timers/promises';
import { startControl } from '../control/control-driver.ts';
import { SyncClients } from '../control/sync-clients.ts';
import { cpuNs, memoryUse } from '../process-usage.ts';
import { percentile } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { benchNamespace } from '../subjects/weft-state.ts';
import type { BenchContext, Measure } from './measure.ts';

const SIDECARS = 1_000;
const ENDPOINTS = 100;
const CHANGES_PER_SECOND = 10;
const FIRST_PORT = 10_000;

/** From the write of the file to the moment the last of all sidecars has the change in force. */
export const push: Measure = {
  name: 'push',
  what: '1,000 simulated sidecars, 10 endpoint changes/s written to files: change to last sidecar, p99',
  byDefault: true,
  async take(context) {
    const { workbench, options } = context;
    const control = await startControl(workbench, {
      processor: 'subject',
      upstreamPort: FIRST_PORT,
      endpoints: ENDPOINTS,
    });
    const clients = new SyncClients(workbench);
    try {
      await clients.connect(
        SIDECARS,
        control.address,
        await control.token('client'),
        `${benchNamespace}/${benchHost}:80`,
      );
      context.say(`${SIDECARS} sidecars are connected`);
      const rounds: number[] = [];
      const all: number[] = [];
      const beforeNs = cpuNs([control.group]);
      const startMs = performance.now();
      for (let round = 1; round <= options.rounds; round += 1) {
        const latencies = await takeRound(context, control, clients, round);
        rounds.push(percentile(latencies, 0.99));
        all.push(...latencies);
        context.say(
          `round ${round}: p50 ${percentile(latencies, 0.5).toFixed(0)} ms, p99 ${rounds.at(-1)!.toFixed(0)} ms`,
        );
      }
      const share = (cpuNs([control.group]) - beforeNs) / 1e6 / (performance.now() - startMs);
      const megabytes = memoryUse([control.group]).rssBytes / 1e6;
      return [
        {
          name: 'push',
          unit: 'ms',
          rounds: { weft: rounds },
          pooled: { weft: percentile(all, 0.99) },
          limits: [{ kind: 'value', against: [], must: 1_000, goal: 500 }],
          absent: [],
          notes: [
            `${all.length} changes, p50 ${percentile(all, 0.5).toFixed(0)} ms, largest ${Math.max(...all).toFixed(0)} ms`,
            `control plane: ${(share * 100).toFixed(0)} % of one processor, ${megabytes.toFixed(0)} MB resident`,
          ],
        },
      ];
    } finally {
      await Promise.all([clients.stop(), control.stop()]);
    }
  },
};

async function takeRound(
  { options }: BenchContext,
  control: Awaited<ReturnType<typeof startControl>>,
  clients: SyncClients,
  round: number,
): Promise<number[]> {
  const count = Math.round((options.seconds ?? 10) * CHANGES_PER_SECOND);
  const written = new Map<number, number>();
  const startMs = performance.now();
  for (let change = 0; change < count; change += 1) {
    const port = FIRST_PORT + (round - 1) * count + change + 1;
    written.set(port, performance.timeOrigin + performance.now());
    control.moveEndpoint(port % ENDPOINTS, port);
    const dueMs = startMs + ((change + 1) * 1_000) / CHANGES_PER_SECOND;
    await sleep(Math.max(0, dueMs - performance.now()));
  }
  const latencies: number[] = [];
  const endMs = performance.now() + 10_000;
  while (latencies.length < count) {
    for (const [port, atMs] of (await clients.reached()).changes) {
      const writtenMs = written.get(port);
      if (writtenMs !== undefined) latencies.push(atMs - writtenMs);
    }
    if (performance.now() > endMs) throw new Error(`${count - latencies.length} of ${count} changes did not reach all`);
    await sleep(20);
  }
  return latencies;
}
