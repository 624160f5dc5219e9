/**
 * CPU per request of subjects that are loaded at the same time: they take turns on one processor every few milliseconds, so
 * whatever else disturbs it disturbs all of them alike. For small differences; costs of one alone are a little lower.
 */
import type { SubjectName } from '../figure.ts';
import { startClosedLoop } from '../load/closed-loop.ts';
import { startUpstream } from '../load/upstream.ts';
import { cpuNs } from '../process-usage.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { BenchContext } from './measure.ts';

export interface BesideWay {
  /** Connections to each subject. */
  readonly connections: number;
  /** Of each subject, at least. */
  readonly warmUpRequests: number;
  readonly windows: number;
  readonly windowSeconds: number;
}

/** Throws when a subject does not start, or fails a request. */
export async function takeBesideRounds(
  context: BenchContext,
  { connections, warmUpRequests, windows, windowSeconds }: BesideWay,
): Promise<Partial<Record<SubjectName, number[]>>> {
  const { workbench, say } = context;
  const loop = startClosedLoop(workbench);
  const upstream = await startUpstream(workbench, false);
  const { deployed, absent, stop } = await deployAll(context, 'one', upstream.port);
  const rounds: Partial<Record<SubjectName, number[]>> = {};
  try {
    if (absent.length > 0) throw new Error(`${absent.join(', ')} did not start`);
    const run = async (): Promise<number[]> => {
      const results = await Promise.all(
        deployed.map(({ port }) => loop.run(port, benchHost, connections, windowSeconds)),
      );
      for (const [index, { completed, errors }] of results.entries()) {
        if (errors === 0 && completed > 0) continue;
        throw new Error(`${deployed[index]!.name}: ${errors} errors among ${completed} requests`);
      }
      return results.map(({ completed }) => completed);
    };
    say(`${windows} windows of ${windowSeconds} s, ${connections} connections to each at the same time, ${loop.what}`);
    const warmed = deployed.map(() => 0);
    while (Math.min(...warmed) < warmUpRequests) {
      for (const [index, completed] of (await run()).entries()) warmed[index]! += completed;
    }
    for (let window = 1; window <= windows; window += 1) {
      const before = deployed.map(({ groups }) => cpuNs(groups));
      const completed = await run();
      const spent = deployed.map(({ groups }, index) => (cpuNs(groups) - before[index]!) / 1_000 / completed[index]!);
      for (const [index, { name }] of deployed.entries()) (rounds[name] ??= []).push(spent[index]!);
      say(
        `window ${window}: ${deployed.map(({ name }, index) => `${name} ${spent[index]!.toFixed(1)} us`).join(', ')}`,
      );
    }
  } finally {
    await Promise.all([stop(), loop.stop(), upstream.stop()]);
  }
  return rounds;
}
