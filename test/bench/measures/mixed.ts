import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName } from '../figure.ts';
import { MixedDriver } from '../load/mixed-driver.ts';
import { percentile } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { Measure } from './measure.ts';

const RATE = 500;
const CONNECTIONS = 16;
const WARM_UP_SECONDS = 4;
const SETTLE_MS = 300;

/** What large transfers do to small calls that share two sidecars, and perhaps a connection, with them. */
export const mixed: Measure = {
  name: 'mixed',
  what: '100 MiB up and down through two sidecars beside 500 small calls/s: p99 of these over that without',
  byDefault: true,
  async take(context) {
    const { options, say, workbench } = context;
    const seconds = options.seconds ?? 5;
    const rounds: Partial<Record<SubjectName, number[]>> = {};
    const notes: string[] = [];
    const absent: string[] = [];
    const upstream = new MixedDriver(workbench);
    const { port: upstreamPort } = await upstream.run({ do: 'upstream' });
    const caller = new MixedDriver(workbench);
    const carrier = new MixedDriver(workbench, true);
    const deployment = await deployAll(context, 'pair', upstreamPort!, ['weft', 'haproxy', 'nginx', 'envoy']);
    absent.push(...deployment.absent);
    try {
      for (let round = 0; round <= options.rounds; round += 1) {
        const line: string[] = [];
        for (const { name, port } of deployment.deployed) {
          const p99 = async (): Promise<number> => {
            const calls = { do: 'calls', port, host: benchHost, rate: RATE, connections: CONNECTIONS } as const;
            const taken = await caller.run({ ...calls, seconds: round === 0 ? WARM_UP_SECONDS : seconds });
            if (taken.errors > 0) throw new Error(`${name}: ${taken.errors} small calls failed`);
            return percentile(taken.latencyMs ?? [], 0.99);
          };
          const alone = await p99();
          const bulk = { do: 'bulk', port, host: benchHost } as const;
          const carried = carrier.run({ ...bulk, seconds: (round === 0 ? WARM_UP_SECONDS : seconds) + 1 });
          await sleep(SETTLE_MS);
          const beside = await p99();
          const { uploadedBytes = 0, downloadedBytes = 0, errors, lastError } = await carried;
          if (errors > 0) throw new Error(`${name}: ${errors} large transfers failed: ${lastError}`);
          if (round === 0) continue;
          (rounds[name] ??= []).push(beside / alone);
          const rate = (bytes: number): string => (bytes / (seconds + 1) / 1_048_576).toFixed(0);
          const carriedText = `${rate(uploadedBytes)} MiB/s up, ${rate(downloadedBytes)} down`;
          const text = `${name} ${alone.toFixed(2)} to ${beside.toFixed(2)} ms beside ${carriedText}`;
          line.push(text);
          if (round === options.rounds) notes.push(text);
        }
        if (round > 0) say(`round ${round}, p99: ${line.join('; ')}`);
      }
    } finally {
      await Promise.all([deployment.stop(), caller.stop(), carrier.stop(), upstream.stop()]);
    }
    return [
      {
        name: 'mixed',
        unit: 'x',
        rounds,
        limits: [{ kind: 'value', against: [], must: 3, goal: 1.5 }],
        absent,
        notes,
      },
    ];
  },
};
