/**
 * CPU per request of all subjects, round by round: A B C, C B A. The processor time is that of every thread and child of
 * the proxy, in nanoseconds; the requests are those the generator got answers to, held against what the upstream served.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName } from '../figure.ts';
import { startClosedLoop, startStreamLoop } from '../load/closed-loop.ts';
import type { ClosedLoop } from '../load/closed-loop.ts';
import { startUpstream } from '../load/upstream.ts';
import type { Upstream } from '../load/upstream.ts';
import { cpuNs } from '../process-usage.ts';
import { median } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { BenchContext, Deployed, Shape, Spoken } from './measure.ts';

/** V8 has optimised what is hot by then: after 50,000 requests of HTTP/2 a sixth of the time still went into compiling. */
const WARM_UP_REQUESTS = 200_000;
/** Of a second each. */
const WARM_UP_RUNS = 15;

/** What was under way when the generator stopped has reached the upstream by then. */
const SETTLE_MS = 100;

export interface CpuRounds {
  /** Microseconds per request. */
  readonly rounds: Partial<Record<SubjectName, number[]>>;
  readonly notes: readonly string[];
  readonly absent: readonly string[];
}

export interface CpuRoundsWay {
  readonly spoken?: Spoken;
  /** Requests under way on each connection; more than one over HTTP/2 only. */
  readonly streams?: number;
  /** Peers that take part with HTTP/2 between the two of a pair as well; the better of their two legs counts. */
  readonly bothLegs?: readonly SubjectName[];
  /** Peers whose pair over HTTP/2 is named in the notes, and counts for nothing. */
  readonly notedLegs?: readonly SubjectName[];
  /** Where what is hot does not run with every request. */
  readonly warmUpRequests?: number;
}

/** What one subject, over one leg, has shown in all rounds of all starts. */
interface Series {
  readonly name: SubjectName;
  readonly label: string;
  /** It is over HTTP/2 where the figure of its name is over HTTP/1.1 too. */
  readonly second: boolean;
  readonly us: number[];
  readonly perSecond: number[];
}

/** Of all starts so far. */
interface Taken {
  /** By label. */
  readonly series: Map<string, Series>;
  readonly absent: Set<string>;
  /** Labels of those that failed once: rounds are compared one by one, so they take part no more. */
  readonly failed: Set<string>;
}

/** `callers` and the way's streams hold unless the command line says others. */
export async function takeCpuRounds(
  context: BenchContext,
  shape: Shape,
  callers: number,
  names: readonly SubjectName[],
  asked: CpuRoundsWay = {},
): Promise<CpuRounds> {
  const { options, say } = context;
  const { bothLegs = [], spoken, streams = 1 } = asked;
  if (options.streams !== undefined && spoken?.application !== 'http2') {
    throw new Error('--streams is for measures whose callers speak HTTP/2');
  }
  const connections = options.connections ?? callers;
  const way = { ...asked, streams: options.streams ?? streams };
  const series = new Map<string, Series>();
  const absent = new Set<string>();
  const failed = new Set<string>();
  for (let start = 1; start <= options.starts; start += 1) {
    if (options.starts > 1) say(`start ${start} of ${options.starts}`);
    await takeStart(context, shape, connections, names, way, { series, absent, failed });
  }
  const rounds: Partial<Record<SubjectName, number[]>> = {};
  for (const { name, second, us } of series.values()) {
    const other = rounds[name];
    const counts = !second || bothLegs.includes(name);
    if (counts && (other === undefined || median(us) < median(other))) rounds[name] = us;
  }
  const all = [...series.values()];
  const costs = all.map(({ label, us }) => `${label} ${median(us).toFixed(1)}`).join(', ');
  const throughput = all.map(({ label, perSecond }) => `${label} ${Math.round(median(perSecond))}`).join(', ');
  const notes = [`requests/s: ${throughput}`];
  if (all.some(({ second }) => second)) notes.unshift(`us/request: ${costs}`);
  return { rounds, absent: [...absent], notes };
}

/** All rounds with one set of processes. Figures of a program differ from one start to the next by more than between rounds. */
async function takeStart(
  context: BenchContext,
  shape: Shape,
  connections: number,
  names: readonly SubjectName[],
  { spoken = {}, streams = 1, bothLegs = [], notedLegs = [], warmUpRequests = WARM_UP_REQUESTS }: CpuRoundsWay,
  { series, absent, failed }: Taken,
): Promise<void> {
  const { workbench, options, say } = context;
  const http2 = spoken.application === 'http2';
  const loop = http2 ? startStreamLoop(workbench, streams) : startClosedLoop(workbench);
  const upstream = await startUpstream(workbench, http2);
  const deployment = await deployAll(context, shape, upstream.port, names, spoken);
  const legs = [...bothLegs, ...notedLegs];
  const peers = { ...context, subjects: context.subjects.filter(({ name }) => legs.includes(name)) };
  const second = await deployAll(peers, shape, upstream.port, legs, { ...spoken, leg: 'http2' });
  const over = new Set(second.deployed);
  const labelOf = (subject: Deployed): string => (over.has(subject) ? `${subject.name} over HTTP/2` : subject.name);
  const seconds = options.seconds ?? 5;
  for (const name of deployment.absent) absent.add(name);
  try {
    say(
      `${connections} connections${streams > 1 ? ` of ${streams} streams` : ''}, ${options.rounds} rounds of ${seconds} s, ${loop.what} and ${upstream.what} on the other processor`,
    );
    let taking = [...deployment.deployed, ...second.deployed].filter((subject) => !failed.has(labelOf(subject)));
    /** A peer that fails is absent from then on; Weft that fails ends the measure. */
    const orAbsent = async (subject: Deployed, take: () => Promise<void>): Promise<void> => {
      try {
        await take();
      } catch (error) {
        if (subject.name === 'weft') throw error;
        taking = taking.filter((each) => each !== subject);
        failed.add(labelOf(subject));
        series.delete(labelOf(subject));
        if (taking.every(({ name }) => name !== subject.name)) absent.add(subject.name);
        say(`${labelOf(subject)} is absent: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    for (const subject of taking) await orAbsent(subject, () => warmUp(loop, subject, connections, warmUpRequests));
    for (let round = 1; round <= options.rounds; round += 1) {
      const line: string[] = [];
      // There and back: what drifts from window to window falls on all alike.
      for (const subject of round % 2 === 1 ? taking : taking.toReversed()) {
        await orAbsent(subject, async () => {
          const { usPerRequest, perSecond } = await takeRound(loop, upstream, subject, connections, streams, seconds);
          const label = labelOf(subject);
          const of = series.get(label) ?? {
            name: subject.name,
            label,
            second: over.has(subject),
            us: [],
            perSecond: [],
          };
          series.set(label, of);
          of.us.push(usPerRequest);
          of.perSecond.push(perSecond);
          line.push(`${label} ${usPerRequest.toFixed(1)} us`);
        });
      }
      say(`round ${round}: ${line.join(', ')}`);
    }
  } finally {
    await Promise.all([deployment.stop(), second.stop(), loop.stop(), upstream.stop()]);
  }
}

async function warmUp(loop: ClosedLoop, subject: Deployed, connections: number, requests: number): Promise<void> {
  let completed = 0;
  const runs = (WARM_UP_RUNS * requests) / WARM_UP_REQUESTS;
  for (let run = 0; completed < requests && run < runs; run += 1) {
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
  streams: number,
  seconds: number,
): Promise<{ usPerRequest: number; perSecond: number }> {
  const servedBefore = await upstream.served();
  const before = cpuNs(subject.groups);
  const result = await loop.run(subject.port, benchHost, connections, seconds);
  const spentNs = cpuNs(subject.groups) - before;
  await sleep(SETTLE_MS);
  const served = (await upstream.served()) - servedBefore;
  if (result.errors > 0 || result.completed === 0) {
    throw new Error(`${subject.name}: ${result.errors} errors among ${result.completed} requests`);
  }
  // Each stream of a connection may have one request that was served and not waited for.
  if (served < result.completed || served > result.completed + connections * streams) {
    throw new Error(`${subject.name}: the generator counted ${result.completed} requests, the upstream ${served}`);
  }
  return { usPerRequest: spentNs / 1_000 / result.completed, perSecond: result.completed / result.seconds };
}
