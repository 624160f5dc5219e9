import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'node:http';
import type { SubjectName, Taken } from '../figure.ts';
import { startUpstream } from '../load/upstream.ts';
import { memoryUse } from '../process-usage.ts';
import { median } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import type { Sidecar } from '../subjects/subject.ts';
import { startControl } from '../control/control-driver.ts';
import type { Control } from '../control/control-driver.ts';
import { restartSidecar, startColdSidecar, untilConnected } from '../control/controlled-sidecar.ts';
import { reasonAbsent } from './measure.ts';
import type { BenchContext, Measure } from './measure.ts';

/** What a start has set aside for itself has been looked at by then. */
const QUIET_MS = 3_000;
const MEGABYTE = 1_000_000;

/** What a sidecar costs that does nothing, and how soon it does something. */
export const idle: Measure = {
  name: 'idle',
  what: 'resident memory of a sidecar with its control stream open; start to first proxied request, stored and cold',
  byDefault: true,
  async take(context) {
    const { workbench, options, say, subjects } = context;
    const resident: Partial<Record<SubjectName, number[]>> = {};
    const anonymous: Partial<Record<SubjectName, number[]>> = {};
    const start: Partial<Record<SubjectName, number[]>> = {};
    const cold: number[] = [];
    const absent = new Set<string>();
    const upstream = await startUpstream(workbench);
    const control = await startControl(workbench, { upstreamPort: upstream.port });
    const note = async (name: SubjectName, sidecar: Sidecar): Promise<void> => {
      try {
        await sleep(QUIET_MS);
        const { rssBytes, anonymousBytes } = memoryUse(sidecar.groups);
        (resident[name] ??= []).push(rssBytes / MEGABYTE);
        (anonymous[name] ??= []).push(anonymousBytes / MEGABYTE);
      } finally {
        await sidecar.stop();
      }
    };
    try {
      for (let round = 1; round <= options.rounds; round += 1) {
        for (const subject of subjects) {
          if (subject.name === 'nghttpx' || subject.name === 'other' || absent.has(subject.name)) continue;
          try {
            const reason = reasonAbsent(subject, ['plain']);
            if (reason !== undefined) throw new Error(reason);
            const sidecar = await subject.start({
              workbench,
              role: 'plain',
              upstreamPort: upstream.port,
              certificates: undefined,
            });
            (start[subject.name] ??= []).push((await firstReplyMs(sidecar.port)) - sidecar.startedMs);
            if (subject.name === 'weft') await sidecar.stop();
            else await note(subject.name, sidecar);
          } catch (error) {
            if (subject.name === 'weft') throw error;
            absent.add(subject.name);
            say(`${subject.name} is absent: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
        if (subjects.some(({ name }) => name === 'weft')) await takeControlled(context, control, note, cold);
        const ms = Object.entries(start).map(([name, values]) => `${name} ${values.at(-1)!.toFixed(0)} ms`);
        const mb = Object.entries(resident).map(([name, values]) => `${name} ${values.at(-1)!.toFixed(0)} MB`);
        say(
          `round ${round}: ${[...ms, ...mb].join(', ')}${cold.length > 0 ? `, cold ${cold.at(-1)!.toFixed(0)} ms` : ''}`,
        );
      }
    } finally {
      await control.stop();
      await upstream.stop();
    }
    const privately = Object.entries(anonymous).map(([name, values]) => `${name} ${median(values).toFixed(1)}`);
    return [
      figure('idle', 'MB', resident, 90, 75, [...absent], [`anonymous, MB: ${privately.join(', ')}`]),
      figure(
        'idle-start',
        'ms',
        start,
        300,
        120,
        [...absent],
        ['process started to first reply, from a stored snapshot'],
      ),
      figure('idle-cold', 'ms', { weft: cold }, 600, 350, [], ['the same with a join token and an empty state folder']),
    ];
  },
};

async function takeControlled(
  context: BenchContext,
  control: Control,
  note: (name: SubjectName, sidecar: Sidecar) => Promise<void>,
  cold: number[],
): Promise<void> {
  const first = await startColdSidecar(context.workbench, control);
  cold.push((await firstReplyMs(first.port)) - first.startedMs);
  // What it was sent is stored half a second later.
  await sleep(1_000);
  await first.stop();
  const connected = await restartSidecar(context.workbench, control, first);
  await firstReplyMs(connected.port);
  await untilConnected(connected);
  await note('weft', connected);
}

/** When the first 200 came, on the clock of `performance.now`. What answers otherwise at first is asked again. */
async function firstReplyMs(port: number): Promise<number> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const status = await askOnce(port);
    const nowMs = performance.now();
    if (status === 200) return nowMs;
    if (nowMs > endMs) throw new Error(`no reply of 200 in 10 s, the last was ${status}`);
    await sleep(1);
  }
}

/** 0 when there was no reply. */
function askOnce(port: number): Promise<number> {
  return new Promise((resolve) => {
    request({ port, host: '127.0.0.1', agent: false, headers: { host: benchHost } }, (reply) => {
      reply.resume();
      reply.once('end', () => resolve(reply.statusCode ?? 0));
      reply.once('error', () => resolve(0));
    })
      .once('error', () => resolve(0))
      .end();
  });
}

function figure(
  name: string,
  unit: string,
  rounds: Partial<Record<SubjectName, number[]>>,
  must: number,
  goal: number,
  absent: readonly string[],
  notes: readonly string[],
): Taken {
  return { name, unit, rounds, limits: [{ kind: 'value', against: [], must, goal }], absent, notes };
}
