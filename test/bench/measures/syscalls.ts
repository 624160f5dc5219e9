import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName } from '../figure.ts';
import { startClosedLoop } from '../load/closed-loop.ts';
import { startUpstream } from '../load/upstream.ts';
import type { Upstream } from '../load/upstream.ts';
import { processesOf } from '../process-usage.ts';
import { benchHost } from '../subjects/subject.ts';
import { findProgram } from '../workbench.ts';
import { deployAll } from './measure.ts';
import type { BenchContext, Deployed, Measure } from './measure.ts';

const CONNECTIONS = 16;
/** Attaching takes a moment, and only what lies between is counted. */
const ATTACH_MS = 500;

/** Traced processes are slow, and what they do per request is nearly the same: a counter for regressions, no figure of speed. */
export const syscalls: Measure = {
  name: 'syscalls',
  what: 'HTTP/1.1 through one proxy, 16 connections: system calls per request, counted by strace',
  byDefault: true,
  async take(context) {
    const { workbench, options, say } = context;
    const rounds: Partial<Record<SubjectName, number[]>> = {};
    const limits = [{ kind: 'value', against: [], must: 4.5, goal: 4.1 }] as const;
    const figure = { name: 'syscalls', unit: 'calls/request', limits };
    const strace = findProgram('strace');
    if (strace === undefined) {
      say('skipped: strace is not on the PATH (Debian: strace)');
      return [{ ...figure, rounds, absent: ['strace'], notes: [] }];
    }
    const upstream = await startUpstream(workbench);
    const loop = startClosedLoop(workbench);
    const deployment = await deployAll(context, 'one', upstream.port, ['weft', 'haproxy', 'nginx', 'envoy', 'node']);
    const notes: string[] = [];
    try {
      for (const subject of deployment.deployed) await loop.run(subject.port, benchHost, CONNECTIONS, 3);
      for (let round = 1; round <= options.rounds; round += 1) {
        const line: string[] = [];
        for (const subject of deployment.deployed) {
          const running = loop.run(subject.port, benchHost, CONNECTIONS, 4);
          await sleep(500);
          const counted = await countCalls(context, strace, subject, upstream);
          if ((await running).errors > 0) throw new Error(`${subject.name}: errors while traced`);
          (rounds[subject.name] ??= []).push(counted.perRequest);
          line.push(`${subject.name} ${counted.perRequest.toFixed(2)}`);
          if (round === 1) notes.push(`${subject.name}: ${counted.most}`);
        }
        say(`round ${round}: ${line.join(', ')}`);
      }
    } finally {
      await Promise.all([deployment.stop(), loop.stop(), upstream.stop()]);
    }
    return [{ ...figure, rounds, absent: deployment.absent, notes }];
  },
};

async function countCalls(
  { workbench }: BenchContext,
  strace: string,
  subject: Deployed,
  upstream: Upstream,
): Promise<{ perRequest: number; most: string }> {
  const file = join(workbench.makeFolder('strace'), 'counts');
  const targets = subject.groups.flatMap(processesOf).flatMap((pid) => ['-p', String(pid)]);
  const running = workbench.start({
    command: strace,
    args: ['-c', '-f', '-q', '-o', file, ...targets],
    processor: 'load',
  });
  const ended = new Promise<void>((resolve) => void running.child.once('exit', () => resolve()));
  await sleep(ATTACH_MS);
  const before = await upstream.served();
  const startMs = performance.now();
  await sleep(1_500);
  const served = (await upstream.served()) - before;
  const countedMs = performance.now() - startMs;
  // It writes its table when it is interrupted.
  running.child.kill('SIGINT');
  await ended;
  await running.stop();
  const counts = readStraceCounts(readFileSync(file, 'utf8'));
  // strace counts from when it has attached, we from ATTACH_MS later: the rate of the part stands for the whole.
  const perRequest = counts.total / (served * ((countedMs + ATTACH_MS) / countedMs));
  return { perRequest, most: counts.most };
}

/** Reads the table of `strace -c`. */
export function readStraceCounts(table: string): { total: number; most: string } {
  let total = 0;
  const calls: [string, number][] = [];
  for (const line of table.split('\n')) {
    const row = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_0-9]+)$/.exec(line);
    if (row === null || row[2] === 'total') continue;
    total += Number(row[1]);
    calls.push([row[2]!, Number(row[1])]);
  }
  if (total === 0) throw new Error(`strace counted nothing: ${table.trim().split('\n')[0] || 'it may not trace here'}`);
  const most = calls
    .sort((left, right) => right[1] - left[1])
    .slice(0, 5)
    .map(([name, count]) => `${name} ${((count / total) * 100).toFixed(0)} %`);
  return { total, most: most.join(', ') };
}
