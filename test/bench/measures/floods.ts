import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName, Taken } from '../figure.ts';
import { FrameDriver, floodKinds } from '../load/frame-driver.ts';
import type { FloodKind } from '../load/frame-driver.ts';
import { processesOf, residentBytes } from '../process-usage.ts';
import { median, percentile } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { Deployed, Measure } from './measure.ts';

const RATE = 500;
const SECONDS = 2;
const WARM_UP_SECONDS = 6;
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
    const taken = new Map<SubjectName, Harm[]>();
    // An attacker has a processor of its own; here it would have that of the others' client and of the application.
    const offender = new FrameDriver(workbench, true);
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
            taken.set(subject.name, [...(taken.get(subject.name) ?? []), ...harms]);
            say(`round ${round}, ${subject.name}: ${harms.map(textOf).join(', ')}`);
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
    const closed: Partial<Record<SubjectName, number[]>> = {};
    const slowed: Partial<Record<SubjectName, number[]>> = {};
    const grown: Partial<Record<SubjectName, number[]>> = {};
    const notes: string[] = [];
    for (const [name, harms] of taken) {
      if (absent.has(name)) continue;
      const usual = floodKinds.map((kind) => usualHarm(kind, harms));
      closed[name] = [Math.max(...usual.map(({ seconds }) => seconds))];
      slowed[name] = [Math.max(...usual.map((harm) => harm.slowed))];
      grown[name] = [Math.max(...usual.map(({ grownMegabytes }) => grownMegabytes))];
      notes.push(`${name}: ${usual.map(textOf).join(', ')}`);
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

/** The median of the rounds, kind by kind: the worst of eleven single ones would be the worst moment of the machine. */
function usualHarm(kind: FloodKind, harms: readonly Harm[]): Harm {
  const same = harms.filter((harm) => harm.kind === kind);
  const usual = (of: (harm: Harm) => number): number => median(same.map(of));
  return {
    kind,
    seconds: usual(({ seconds }) => seconds),
    slowed: usual(({ slowed }) => slowed),
    grownMegabytes: usual(({ grownMegabytes }) => grownMegabytes),
  };
}

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
  const alone: number[] = [];
  const found: (Omit<Harm, 'slowed'> & { readonly p99Ms: number })[] = [];
  for (const kind of floodKinds) {
    // Before each kind anew: code is compiled in the course of it, and the machine is not the same for a minute.
    alone.push((await watched(groups, () => p99(seconds))).value);
    const flooded = offender.run({
      do: 'flood',
      port,
      host: benchHost,
      kind,
      // Each kind comes as somebody new.
      from: `127.0.1.${1 + floodKinds.indexOf(kind)}`,
      seconds: Math.max(seconds, ENDURED_SECONDS),
    });
    const { value: p99Ms, grownBytes } = await watched(groups, async () => {
      const meanwhile = await p99(seconds);
      await flooded;
      return meanwhile;
    });
    const { closedMs = [], endured = 0 } = await flooded;
    const worstSeconds = closedMs.length === 0 || endured > 0 ? ENDURED_SECONDS : median(closedMs) / 1_000;
    found.push({ kind, seconds: worstSeconds, p99Ms, grownMegabytes: grownBytes / MEGABYTE });
    await sleep(200);
  }
  const quiet = median(alone);
  return found.map(({ p99Ms, ...harm }) => ({ ...harm, slowed: p99Ms / quiet }));
}

/** What the memory of the processes grew by meanwhile, at its most. */
async function watched<T>(
  groups: readonly number[],
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly grownBytes: number }> {
  const pids = groups.flatMap((group) => processesOf(group));
  const before = residentBytes(pids);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, residentBytes(pids))), WATCH_MS);
  try {
    return { value: await run(), grownBytes: most - before };
  } finally {
    clearInterval(watch);
  }
}

function textOf({ kind, seconds, slowed, grownMegabytes }: Harm): string {
  const time = seconds >= ENDURED_SECONDS ? 'not cut off' : `${(seconds * 1_000).toFixed(0)} ms`;
  return `${kind} ${time} ${slowed.toFixed(1)}x ${grownMegabytes.toFixed(1)} MiB`;
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
