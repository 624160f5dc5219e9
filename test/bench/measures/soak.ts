import { startColdSidecar, untilConnected } from '../control/controlled-sidecar.ts';
import { startControl } from '../control/control-driver.ts';
import type { Control } from '../control/control-driver.ts';
import { LoadDriver } from '../load/load-driver.ts';
import { memoryUse } from '../process-usage.ts';
import { slope } from '../statistics.ts';
import { readHeap } from '../subjects/probe.ts';
import { benchHost } from '../subjects/subject.ts';
import type { Measure } from './measure.ts';

const RATE = 1_000;
const CONNECTIONS = 64;
const CHANGE_MS = 1_000;
/** Heap is read so often, between two stretches of load. */
const STRETCH_SECONDS = 60;
/** At least so many readings, however short the soak is. */
const LEAST_STRETCHES = 6;
/** Of the readings, the first share is left out of the slope: caches fill and code is optimised. */
const SETTLING_SHARE = 0.1;
const MEBIBYTE = 1_048_576;

/** Not part of the default run: it takes hours. */
export const soak: Measure = {
  name: 'soak',
  what: '1,000 requests/s and a configuration change every second for --minutes N: failed requests, slope of live memory',
  byDefault: false,
  async take(context) {
    const { workbench, options, say } = context;
    const driver = new LoadDriver(workbench);
    const { port: upstreamPort } = await driver.run({ do: 'upstream', port: 0 });
    const control = await startControl(workbench, { upstreamPort: upstreamPort!, endpoints: 4 });
    const probe = workbench.makeFolder('probe');
    const sidecar = await startColdSidecar(workbench, control, probe);
    await untilConnected(sidecar);
    const stretches = Math.max(LEAST_STRETCHES, Math.round((options.minutes * 60) / STRETCH_SECONDS));
    const seconds = (options.minutes * 60) / stretches;
    const points: { x: number; y: number }[] = [];
    let failed = 0;
    let completed = 0;
    let change = 0;
    const changer = setInterval(() => alter(control, (change += 1), upstreamPort!), CHANGE_MS);
    const startMs = performance.now();
    try {
      for (let stretch = 1; stretch <= stretches; stretch += 1) {
        const reply = await driver.run({
          do: 'open',
          port: sidecar.port,
          host: benchHost,
          rate: RATE,
          seconds,
          connections: CONNECTIONS,
          seed: stretch,
        });
        failed += reply.errors;
        completed += reply.completed;
        const { usedBytes, externalBytes } = await readHeap(probe, sidecar.groups[0]!, true);
        const live = (usedBytes + externalBytes) / MEBIBYTE;
        points.push({ x: (performance.now() - startMs) / 3_600_000, y: live });
        const { rssBytes } = memoryUse(sidecar.groups);
        say(
          `${stretch}/${stretches}: ${failed} of ${completed} failed, live ${live.toFixed(2)} MiB, RSS ${(rssBytes / MEBIBYTE).toFixed(0)} MiB`,
        );
      }
    } finally {
      clearInterval(changer);
      await Promise.all([sidecar.stop(), control.stop(), driver.stop()]);
    }
    const { perUnit, halfInterval } = slope(points.slice(Math.ceil(points.length * SETTLING_SHARE)));
    return [
      {
        name: 'soak',
        unit: 'failed',
        rounds: { weft: [failed] },
        limits: [{ kind: 'value', against: [], must: 0, goal: 0 }],
        absent: [],
        notes: [`${completed} requests, ${change} changes in ${options.minutes} minutes`],
      },
      {
        name: 'soak-slope',
        unit: 'MiB/h',
        rounds: { weft: [perUnit] },
        limits: [{ kind: 'value', against: [], must: 4, goal: 1 }],
        absent: [],
        notes: [
          `+/- ${halfInterval.toFixed(2)} MiB/h (95 %), ${points.length} readings, ` +
            `${points[0]!.y.toFixed(2)} MiB at first, ${points.at(-1)!.y.toFixed(2)} MiB at last`,
        ],
      },
    ];
  },
};

/** Endpoints come and go, and the route changes: never so that a request would have nowhere to go. */
function alter(control: Control, change: number, upstreamPort: number): void {
  const endpoint = 1 + (change % 3);
  if (change % 2 === 0) control.moveEndpoint(endpoint, upstreamPort);
  else control.removeEndpoint(endpoint);
  if (change % 5 === 0) control.routeWithTimeout(30 + (change % 25));
}
