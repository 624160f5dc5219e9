import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName, Taken } from '../figure.ts';
import { FrameDriver, floodKinds } from '../load/frame-driver.ts';
import type { FloodKind } from '../load/frame-driver.ts';
import { memoryUse } from '../process-usage.ts';
import { median, percentile } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { Deployed, Measure } from './measure.ts';

const RATE = 500;
const SECONDS = 2;
const WARM_UP_SECONDS = 3;
const WATCH_MS = 20;
/** What a flood that was not stopped counts for: it was watched for so long. */
const ENDURED_SECONDS = 3;
const MEGABYTE = 1_048_576;

/** Of one kind of flood. */
interface Harm {
  readonly kind: FloodKind;
  /** Until the offender was cut off. */
  readonly seconds: number;
  /** p99 of the others over what it was alone. */
  readonly slowed: number;
  readonly grownMegabytes: number;
}

/** What a client does to others that sends what no client should; the worst kind counts. */
export const floods: Measure = {
  name: 'floods',
  what: `${floodKinds.length} kinds of HTTP/2 flood: time until the offender is cut off; p99 of the others; memory`,
  byDefault: true,
  async take(context) {
    const { options, say, workbench } = context;
    const closed: Partial<Record<SubjectName, number[]>> = {};
    const slowed: Partial<Record<SubjectName, number[]>> = {};
    const grown: Partial<Record<SubjectName, number[]>> = {};
    const notes: string[] = [];
    const offender = new FrameDriver(workbench);
    const others = new FrameDriver(workbench);
    const { port: upstreamPort } = await others.run({ do: 'upstream' });
    const deployment = await deployAll(context, 'one', upstreamPort!, ['weft', 'haproxy', 'envoy', 'nghttpx'], {
      application: 'http2',
    });
    const absent = new Set(deployment.absent);
    try {
      for (let round = 1; round <= Math.min(options.rounds, 3); round += 1) {
        for (const subject of deployment.deployed) {
          if (absent.has(subject.name)) continue;
          try {
            const harms = await takeRound(offender, others, subject, options.seconds ?? SECONDS);
            const worst = (of: (harm: Harm) => number): number => Math.max(...harms.map(of));
            (closed[subject.name] ??= []).push(worst(({ seconds }) => seconds));
            (slowed[subject.name] ??= []).push(worst((harm) => harm.slowed));
            (grown[subject.name] ??= []).push(worst(({ grownMegabytes }) => grownMegabytes));
            const line = harms.map(({ kind, ...harm }) => `${kind} ${textOf(harm)}`).join(', ');
            say(`round ${round}, ${subject.name}: ${line}`);
            if (round === 1) notes.push(`${subject.name}: ${line}`);
          } catch (error) {
            if (subject.name === 'weft') throw error;
            absent.add(subject.name);
            say(`${subject.name} is absent: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
      }
    } finally {
      await Promise.all([deployment.stop(), offender.stop(), others.stop()]);
    }
    return [
      figure('floods', 's', closed, 1, 0.2, [...absent], notes),
      figure(
        'floods-others',
        'x',
        slowed,
        2,
        1.3,
        [...absent],
        ['p99 of 500 requests/s on another connection over that without a flood'],
      ),
      figure('floods-memory', 'MiB', grown, 16, 4, [...absent], ['resident, most of it while the flood goes on']),
    ];
  },
};

async function takeRound(
  offender: FrameDriver,
  others: FrameDriver,
  { name, port, groups }: Deployed,
  seconds: number,
): Promise<Harm[]> {
  const p99 = async (callSeconds: number): Promise<number> => {
    const calls = { do: 'calls', port, host: benchHost, rate: RATE, seconds: callSeconds } as const;
    const { errors, latencyMs, farewell } = await others.run(calls);
    if (errors !== 0) throw new Error(`${name}: ${errors} calls of others failed: ${farewell}`);
    return percentile(latencyMs ?? [], 0.99);
  };
  await p99(WARM_UP_SECONDS);
  const alone = await p99(seconds);
  const found: (Omit<Harm, 'slowed'> & { readonly p99Ms: number })[] = [];
  for (const kind of floodKinds) {
    const before = memoryUse(groups).rssBytes;
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, memoryUse(groups).rssBytes)), WATCH_MS);
    try {
      const flooded = offender.run({
        do: 'flood',
        port,
        host: benchHost,
        kind,
        // Each kind comes as somebody new.
        from: `127.0.1.${1 + floodKinds.indexOf(kind)}`,
        seconds: Math.max(seconds, ENDURED_SECONDS),
      });
      const meanwhile = await p99(seconds);
      const { closedMs = [], endured = 0 } = await flooded;
      const worstSeconds = closedMs.length === 0 || endured > 0 ? ENDURED_SECONDS : median(closedMs) / 1_000;
      found.push({
        kind,
        seconds: worstSeconds,
        p99Ms: meanwhile,
        grownMegabytes: Math.max(0, most - before) / MEGABYTE,
      });
    } finally {
      clearInterval(watch);
    }
    await sleep(200);
  }
  // Taken again, because code that is not yet compiled makes the first too slow.
  const quiet = Math.min(alone, await p99(seconds));
  return found.map(({ p99Ms, ...harm }) => ({ ...harm, slowed: p99Ms / quiet }));
}

function textOf({ seconds, slowed, grownMegabytes }: Omit<Harm, 'kind'>): string {
  const time = seconds >= ENDURED_SECONDS ? 'not cut off' : `${(seconds * 1_000).toFixed(0)} ms`;
  return `${time} ${slowed.toFixed(1)}x ${grownMegabytes.toFixed(1)} MiB`;
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
