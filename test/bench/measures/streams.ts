import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName } from '../figure.ts';
import { FrameDriver } from '../load/frame-driver.ts';
import { memoryUse } from '../process-usage.ts';
import { benchHost } from '../subjects/subject.ts';
import type { Subject } from '../subjects/subject.ts';
import { reasonAbsent } from './measure.ts';
import type { BenchContext, Measure } from './measure.ts';

const STREAMS = 100;
/** Before the first reading, so that what a proxy sets aside once is not counted per stream. */
const FIRST_CONNECTIONS = 20;
const THEN_CONNECTIONS = 100;
const WARM_UP_SECONDS = 3;
const QUIET_MS = 2_000;

/** Anonymous memory that one more open stream takes, its share of the connections included. */
export const streams: Measure = {
  name: 'streams',
  what: '10,000 open streams that say nothing, on 100 connections: memory of one',
  byDefault: true,
  async take(context) {
    const { options, say, subjects, workbench } = context;
    const rounds: Partial<Record<SubjectName, number[]>> = {};
    const absent = new Set<string>();
    const driver = new FrameDriver(workbench);
    try {
      const { port } = await driver.run({ do: 'upstream' });
      for (let round = 1; round <= options.rounds; round += 1) {
        const line: string[] = [];
        for (const subject of subjects) {
          if (subject.name === 'nginx' || absent.has(subject.name)) continue;
          try {
            const kilobytes = (await takeOne(context, driver, subject, port!)) / 1_024;
            (rounds[subject.name] ??= []).push(kilobytes);
            line.push(`${subject.name} ${kilobytes.toFixed(2)} KB`);
          } catch (error) {
            if (subject.name === 'weft') throw error;
            absent.add(subject.name);
            say(`${subject.name} is absent: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
        say(`round ${round}: ${line.join(', ')}`);
      }
    } finally {
      await driver.stop();
    }
    return [
      {
        name: 'streams',
        unit: 'KB',
        rounds,
        limits: [{ kind: 'value', against: [], must: 6, goal: 3 }],
        absent: [...absent],
        notes: [
          `from ${FIRST_CONNECTIONS * STREAMS} to ${(FIRST_CONNECTIONS + THEN_CONNECTIONS) * STREAMS} streams, anonymous memory`,
        ],
      },
    ];
  },
};

async function takeOne(
  { workbench, certificates }: BenchContext,
  driver: FrameDriver,
  subject: Subject,
  upstreamPort: number,
): Promise<number> {
  const reason = reasonAbsent(subject, ['plain']);
  if (reason !== undefined) throw new Error(reason);
  const sidecar = await subject.start({ workbench, role: 'plain', upstreamPort, certificates, application: 'http2' });
  try {
    const run = { port: sidecar.port, host: benchHost, streams: STREAMS };
    await driver.run({ do: 'messages', ...run, connections: 2, seconds: WARM_UP_SECONDS });
    await driver.run({ do: 'hold', ...run, connections: FIRST_CONNECTIONS });
    await sleep(QUIET_MS);
    const before = memoryUse(sidecar.groups).anonymousBytes;
    const { completed } = await driver.run({ do: 'hold', ...run, connections: THEN_CONNECTIONS });
    await sleep(QUIET_MS);
    const after = memoryUse(sidecar.groups).anonymousBytes;
    const wanted = (FIRST_CONNECTIONS + THEN_CONNECTIONS) * STREAMS;
    if (completed !== wanted) throw new Error(`${completed} of ${wanted} streams are open`);
    return (after - before) / (THEN_CONNECTIONS * STREAMS);
  } finally {
    await driver.run({ do: 'release' });
    await sidecar.stop();
  }
}
