import type { SubjectName, Taken } from '../figure.ts';
import { LatencyHistogram, readLatencyHistogram } from '../latency-histogram.ts';
import { LoadDriver } from '../load/load-driver.ts';
import type { LoadReply } from '../load/load-driver.ts';
import { waitedNs } from '../process-usage.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { BenchContext, Measure } from './measure.ts';

const RATE = 1_000;
const CONNECTIONS = 64;
/**
 * Requests that were under way while the generator was late are left out. Slow ones are hit a little more often than fast
 * ones; with a larger share than this the p99.9 would look better than it is, and the round is refused.
 */
const MOST_DISTURBED = 0.02;
/** How often a round that was refused is taken again. */
const RETRIES = 5;
/** What cannot be told from nothing, milliseconds: keeps ratios finite where a proxy adds nothing that can be seen. */
const FLOOR_MS = 0.01;

type Row = 'direct' | SubjectName;

/** Added p99.9: through the proxy less without it, of the same run, the samples of all rounds together. */
export const latency1k: Measure = {
  name: 'latency-1k',
  what: 'open loop with jitter, 1,000 requests/s, one proxy: p99.9 it adds to a request without it',
  byDefault: true,
  async take(context) {
    const { workbench, options, say } = context;
    const driver = new LoadDriver(workbench);
    const { port: upstreamPort } = await driver.run({ do: 'upstream', port: 0 });
    const deployment = await deployAll(context, 'one', upstreamPort!, ['weft', 'haproxy', 'nginx', 'envoy', 'node']);
    const seconds = options.seconds ?? 20;
    const pooled = new Map<Row, LatencyHistogram>();
    const rounds: Partial<Record<SubjectName, number[]>> = {};
    const waitedMs = new Map<Row, number>();
    let disturbed = 0;
    let requests = 0;
    try {
      say(`${RATE} requests/s, ${options.rounds} rounds of ${seconds} s each for the direct way and every subject`);
      const direct = { name: 'direct' as Row, port: upstreamPort!, groups: [] as readonly number[] };
      const targets: (typeof direct)[] = [direct, ...deployment.deployed];
      for (const { port } of targets) {
        // At a rate that is not the measured one, but lets V8 optimise within seconds.
        await driver.run({ do: 'closed', port, host: benchHost, seconds: 2, connections: 16 });
      }
      for (let round = 1; round <= options.rounds; round += 1) {
        const added: string[] = [];
        let directMs = Number.NaN;
        for (const { name, port, groups } of targets) {
          const beforeNs = waitedNs(groups);
          const reply = await takeRound(context, driver, name, port, seconds, round);
          const latency = readLatencyHistogram(reply.latency ?? []);
          waitedMs.set(name, (waitedMs.get(name) ?? 0) + (waitedNs(groups) - beforeNs) / 1e6);
          disturbed += reply.disturbed ?? 0;
          requests += reply.completed;
          const all = pooled.get(name) ?? new LatencyHistogram();
          all.add(latency);
          pooled.set(name, all);
          const p999 = latency.percentileMs(0.999);
          if (name === 'direct') directMs = p999;
          else (rounds[name] ??= []).push(Math.max(FLOOR_MS, p999 - directMs));
          added.push(`${name} ${p999.toFixed(3)} ms`);
        }
        say(`round ${round}, p99.9: ${added.join(', ')}`);
      }
    } finally {
      await Promise.all([deployment.stop(), driver.stop()]);
    }
    const waits = deployment.deployed.map(({ name }) => `${name} ${waitedMs.get(name)!.toFixed(0)}`).join(', ');
    const waited = `waited while others had their processor, ms in all: ${waits}`;
    return [figure(pooled, rounds, deployment.absent, disturbed / requests, waited)];
  },
};

async function takeRound(
  context: BenchContext,
  driver: LoadDriver,
  name: Row,
  port: number,
  seconds: number,
  round: number,
): Promise<LoadReply> {
  for (let attempt = 0; ; attempt += 1) {
    const seed = round * 10 + attempt;
    const reply = await driver.run({
      do: 'open',
      port,
      host: benchHost,
      rate: RATE,
      seconds,
      connections: CONNECTIONS,
      seed,
    });
    if (reply.errors > 0) throw new Error(`${name}: ${reply.errors} errors among ${reply.completed} requests`);
    const share = (reply.disturbed ?? 0) / reply.completed;
    if (share <= MOST_DISTURBED) return reply;
    const late = `the generator was late for ${(share * 100).toFixed(1)} % of the requests`;
    if (attempt === RETRIES) {
      throw new Error(`${name}: ${late} in each of ${RETRIES + 1} attempts: the machine is not quiet enough`);
    }
    context.say(`round ${round}, ${name}: refused, ${late}`);
  }
}

function figure(
  pooled: ReadonlyMap<Row, LatencyHistogram>,
  rounds: Partial<Record<SubjectName, number[]>>,
  absent: readonly string[],
  disturbedShare: number,
  waited: string,
): Taken {
  const direct = pooled.get('direct')!;
  const values: Partial<Record<SubjectName, number>> = {};
  const notes = [
    `${direct.total} samples each, ${(disturbedShare * 100).toFixed(2)} % left out as disturbed by the generator`,
  ];
  notes.push(waited);
  for (const [name, histogram] of pooled) {
    const [p50, p99, p999, most] = [0.5, 0.99, 0.999, 1].map((share) => histogram.percentileMs(share).toFixed(3));
    notes.push(`${name}: p50 ${p50}, p99 ${p99}, p99.9 ${p999}, largest ${most} ms`);
    if (name === 'direct') continue;
    values[name] = Math.max(FLOOR_MS, histogram.percentileMs(0.999) - direct.percentileMs(0.999));
  }
  return {
    name: 'latency-1k',
    unit: 'ms',
    rounds,
    pooled: values,
    limits: [
      { kind: 'difference', against: ['haproxy'], must: 0.5, goal: 0.3 },
      { kind: 'ratio', against: ['envoy'], must: 1.2, goal: 1 },
    ],
    absent,
    notes,
  };
}
