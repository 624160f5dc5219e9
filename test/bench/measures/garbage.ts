import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName } from '../figure.ts';
import { startClosedLoop } from '../load/closed-loop.ts';
import { startUpstream } from '../load/upstream.ts';
import { readHeap } from '../subjects/probe.ts';
import { benchHost } from '../subjects/subject.ts';
import { deploy } from './measure.ts';
import type { Measure } from './measure.ts';

const CONNECTIONS = 16;

/** Counted by V8, not timed: the same on a busy machine. */
export const garbage: Measure = {
  name: 'garbage',
  what: 'HTTP/1.1 through one proxy, 16 connections: bytes allocated on the JavaScript heap per request',
  byDefault: true,
  async take(context) {
    const { workbench, options, say, subjects } = context;
    const upstream = await startUpstream(workbench);
    const loop = startClosedLoop(workbench);
    const rounds: Partial<Record<SubjectName, number[]>> = {};
    try {
      for (const subject of subjects) {
        if (subject.name !== 'weft' && subject.name !== 'node') continue;
        const probe = workbench.makeFolder('probe');
        const deployed = await deploy(context, subject, 'one', upstream.port, probe);
        try {
          const pid = deployed.groups[0]!;
          await loop.run(deployed.port, benchHost, CONNECTIONS, 3);
          for (let round = 1; round <= options.rounds; round += 1) {
            const servedBefore = await upstream.served();
            const before = await readHeap(probe, pid, false);
            const result = await loop.run(deployed.port, benchHost, CONNECTIONS, options.seconds ?? 2);
            await sleep(100);
            const after = await readHeap(probe, pid, false);
            if (result.errors > 0) throw new Error(`${subject.name}: ${result.errors} errors`);
            const bytes = (after.allocatedBytes - before.allocatedBytes) / ((await upstream.served()) - servedBefore);
            (rounds[subject.name] ??= []).push(bytes);
            say(`round ${round}: ${subject.name} ${Math.round(bytes)} B/request`);
          }
        } finally {
          await deployed.stop();
        }
      }
    } finally {
      await Promise.all([upstream.stop(), loop.stop()]);
    }
    return [
      {
        name: 'garbage',
        unit: 'B/request',
        rounds,
        limits: [{ kind: 'value', against: [], must: 1_500, goal: 300 }],
        absent: [],
        notes: [],
      },
    ];
  },
};
