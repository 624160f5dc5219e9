/**
 * CPU per request of all subjects, round by round: A B C, A B C. The processor time is that of every thread and child of
 * the proxy, in nanoseconds; the requests are those the generator got answers to, held against what the upstream served.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName } from '../figure.ts';
import { startClosedLoop } from '../load/closed-loop.ts';
import type { ClosedLoop } from '../load/closed-loop.ts';
import { startUpstream } from '../load/upstream.ts';
import type { Upstream } from '../load/upstream.ts';
import { cpuNs } from '../process-usage.ts';
import { median } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { BenchContext, Deployed, Shape } from './measure.ts';

/** V8 has optimised what is hot by then. */
const WARM_UP_REQUESTS = 50_000;
const WARM_UP_RUNS = 10;

/** What was under way when the generator stopped has reached the upstream by then. */
const SETTLE_MS = 100;

export interface CpuRounds {
  /** Microseconds per request. */
  readonly rounds: Partial<Record<SubjectName, number[]>>;
  readonly notes: readonly string[];
  readonly absent: readonly string[];
}

export async function takeCpuRounds(
  context: BenchContext,
  shape: Shape,
  connections: number,
  names: readonly SubjectName[],
): Promise<CpuRounds> {
  const { workbench, options, say } = context;
  const upstream = await startUpstream(workbench);
  const loop = startClosedLoop(workbench);
  const deployment = await deployAll(context, shape, upstream.port, names);
  const seconds = options.seconds ?? 5;
  const rounds: Partial<Record<SubjectName, number[]>> = {};
  const perSecond: Partial<Record<SubjectName, number[]>> = {};
  try {
    say(
      `${connections} connections, ${options.rounds} rounds of ${seconds} s, ${loop.what} and ${upstream.what} on the other processor`,
    );
    for (const subject of deployment.deployed) await warmUp(loop, subject, connections);
    for (let round = 1; round <= options.rounds; round += 1) {
      const line: string[] = [];
      for (const subject of deployment.deployed) {
        const taken = await takeRound(loop, upstream, subject, connections, seconds);
        (rounds[subject.name] ??= []).push(taken.usPerRequest);
        (perSecond[subject.name] ??= []).push(taken.perSecond);
        line.push(`${subject.name} ${taken.usPerRequest.toFixed(1)} us`);
      }
      say(`round ${round}: ${line.join(', ')}`);
    }
  } finally {
    await Promise.all([deployment.stop(), loop.stop(), upstream.stop()]);
  }
  const throughput = Object.entries(perSecond).map(([name, values]) => `${name} ${Math.round(median(values))}`);
  return { rounds, absent: deployment.absent, notes: [`requests/s: ${throughput.join(', ')}`] };
}

async function warmUp(loop: ClosedLoop, subject: Deployed, connections: number): Promise<void> {
  let completed = 0;
  for (let run = 0; completed < WARM_UP_REQUESTS && run < WARM_UP_RUNS; run += 1) {
    const result = await loop.run(subject.port, benchHost, connections, 1);
    if (result.completed === 0 || result.errors > 0) {
      throw new Error(`${subject.name}: ${result.errors} errors among ${result.completed} requests while warming up`);
    }
    completed += result.completed;
  }
  await sleep(SETTLE_MS);
}

async function takeRound(
  loop: ClosedLoop,
  upstream: Upstream,
  subject: Deployed,
  connections: number,
  seconds: number,
): Promise<{ usPerRequest: number; perSecond: number }> {
  const servedBefore = await upstream.served();
  const before = cpuNs(subject.groups);
  const result = await loop.run(subject.port, benchHost, connections, seconds);
  const spentNs = cpuNs(subject.groups) - before;
  await sleep(SETTLE_MS);
  const served = (await upstream.served()) - servedBefore;
  if (result.errors > 0) throw new Error(`${subject.name}: ${result.errors} errors among ${result.completed} requests`);
  // Each connection may have one request that was served and not waited for.
  if (served < result.completed || served > result.completed + connections) {
    throw new Error(`${subject.name}: the generator counted ${result.completed} requests, the upstream ${served}`);
  }
  return { usPerRequest: spentNs / 1_000 / result.completed, perSecond: result.completed / result.seconds };
}
