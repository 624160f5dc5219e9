import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName, Taken } from '../figure.ts';
import { BytesDriver } from '../load/bytes-driver.ts';
import { cpuNs } from '../process-usage.ts';
import { median } from '../statistics.ts';
import { deployAll } from './measure.ts';
import type { BenchContext, Measure, Shape } from './measure.ts';

const CONNECTIONS = 4;
const WARM_UP_SECONDS = 2;
const MEBIBYTE = 1_048_576;

/** Bytes that nobody looks into, there and back. */
export const tcp: Measure = {
  name: 'tcp',
  what: 'TCP through one proxy, 4 connections: CPU per MiB sent there and back',
  byDefault: true,
  // 0.9 and 0.95 of haproxy's bytes per second of processor.
  take: (context) => takeBytes(context, 'tcp', 'one', 1.111, 1.053),
};

export const tcpWithMtls: Measure = {
  name: 'tcp-mtls',
  what: 'TCP through two sidecars with mutual TLS between them: CPU per MiB sent there and back, sum of both',
  byDefault: true,
  take: (context) => takeBytes(context, 'tcp-mtls', 'pair', 1.538, 1.333),
};

async function takeBytes(
  context: BenchContext,
  name: string,
  shape: Shape,
  must: number,
  goal: number,
): Promise<Taken[]> {
  const { options, say, workbench } = context;
  const seconds = options.seconds ?? 5;
  const rounds: Partial<Record<SubjectName, number[]>> = {};
  const rates: Partial<Record<SubjectName, number[]>> = {};
  const driver = new BytesDriver(workbench);
  const { port: upstreamPort } = await driver.run({ do: 'upstream' });
  const deployment = await deployAll(context, shape, upstreamPort!, ['weft', 'haproxy', 'envoy'], {
    application: 'tcp',
  });
  const absent = new Set(deployment.absent);
  try {
    for (let round = 0; round <= options.rounds; round += 1) {
      const line: string[] = [];
      for (const { name: subject, port, groups } of deployment.deployed) {
        if (absent.has(subject)) continue;
        const before = cpuNs(groups);
        const run = { do: 'echo', port, connections: CONNECTIONS } as const;
        const taken = await driver.run({ ...run, seconds: round === 0 ? WARM_UP_SECONDS : seconds });
        await sleep(200);
        const spentNs = cpuNs(groups) - before;
        const mebibytes = (taken.bytes ?? 0) / MEBIBYTE;
        if (mebibytes === 0 || taken.errors !== 0) {
          const reason = `${taken.errors} connections ended, ${mebibytes.toFixed(0)} MiB came back`;
          if (subject === 'weft') throw new Error(reason);
          absent.add(subject);
          say(`${subject} is absent: ${reason}`);
          continue;
        }
        if (round === 0) continue;
        (rounds[subject] ??= []).push(spentNs / 1_000 / mebibytes);
        (rates[subject] ??= []).push(mebibytes / (taken.seconds ?? seconds));
        line.push(`${subject} ${(spentNs / 1_000 / mebibytes).toFixed(0)} us`);
      }
      if (round > 0) say(`round ${round}: ${line.join(', ')}`);
    }
  } finally {
    await Promise.all([deployment.stop(), driver.stop()]);
  }
  const through = Object.entries(rates).map(([subject, values]) => `${subject} ${Math.round(median(values))}`);
  return [
    {
      name,
      unit: 'us/MiB',
      rounds,
      limits: [{ kind: 'ratio', against: ['haproxy'], must, goal }],
      absent: [...absent],
      notes: [`MiB/s there and back: ${through.join(', ')}`],
    },
  ];
}
