import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName } from '../figure.ts';
import { FrameDriver } from '../load/frame-driver.ts';
import { cpuNs } from '../process-usage.ts';
import { median } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { Measure } from './measure.ts';

const CONNECTIONS = 8;
const STREAMS = 16;
const WARM_UP_SECONDS = 3;

/** Messages of gRPC, each in a frame of its own, back and forth over streams that stay open. */
export const grpcStream: Measure = {
  name: 'grpc-stream',
  what: 'gRPC streams through one proxy, 8 connections of 16, a message under way on each: CPU per message',
  byDefault: true,
  async take(context) {
    const { options, say, workbench } = context;
    const seconds = options.seconds ?? 5;
    const rounds: Partial<Record<SubjectName, number[]>> = {};
    const rate: Partial<Record<SubjectName, number[]>> = {};
    const driver = new FrameDriver(workbench);
    const { port: upstreamPort } = await driver.run({ do: 'upstream' });
    const deployment = await deployAll(context, 'one', upstreamPort!, ['weft', 'haproxy', 'envoy', 'nghttpx', 'node'], {
      application: 'http2',
    });
    const absent = new Set(deployment.absent);
    try {
      for (let round = 0; round <= options.rounds; round += 1) {
        const line: string[] = [];
        for (const { name, port, groups } of deployment.deployed) {
          if (absent.has(name)) continue;
          const before = cpuNs(groups);
          const run = { do: 'messages', port, host: benchHost, connections: CONNECTIONS, streams: STREAMS } as const;
          const result = await driver.run({ ...run, seconds: round === 0 ? WARM_UP_SECONDS : seconds });
          const spentNs = cpuNs(groups) - before;
          const messages = result.completed ?? 0;
          if (messages === 0 || result.errors !== 0) {
            const reason = `${result.errors} streams ended, ${messages} messages came back, ${result.farewell}`;
            if (name === 'weft') throw new Error(reason);
            absent.add(name);
            say(`${name} is absent: ${reason}`);
            continue;
          }
          await sleep(100);
          if (round === 0) continue;
          (rounds[name] ??= []).push(spentNs / 1_000 / messages);
          (rate[name] ??= []).push(messages / (result.seconds ?? seconds));
          line.push(`${name} ${(spentNs / 1_000 / messages).toFixed(2)} us`);
        }
        if (round > 0) say(`round ${round}: ${line.join(', ')}`);
      }
    } finally {
      await Promise.all([deployment.stop(), driver.stop()]);
    }
    const rates = Object.entries(rate).map(([name, values]) => `${name} ${Math.round(median(values))}`);
    return [
      {
        name: 'grpc-stream',
        unit: 'us/message',
        rounds,
        // 0.6 and 0.7 of nghttpx's messages per second of processor, 1.8 and 2 times Envoy's.
        limits: [
          { kind: 'ratio', against: ['nghttpx'], must: 1.667, goal: 1.429 },
          { kind: 'ratio', against: ['envoy'], must: 0.556, goal: 0.5 },
        ],
        absent: [...absent],
        notes: [`messages/s each way: ${rates.join(', ')}`],
      },
    ];
  },
};
