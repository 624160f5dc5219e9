import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName, Taken } from '../figure.ts';
import { HandshakeDriver } from '../load/handshake-driver.ts';
import type { HandshakeCommand } from '../load/handshake-driver.ts';
import { startUpstream } from '../load/upstream.ts';
import { cpuNs } from '../process-usage.ts';
import { median } from '../statistics.ts';
import { needCertificates } from '../subjects/pair-certificates.ts';
import { benchHost } from '../subjects/subject.ts';
import type { Role, Sidecar } from '../subjects/subject.ts';
import { tlsOf } from './connections.ts';
import { reasonAbsent } from './measure.ts';
import type { BenchContext, Measure } from './measure.ts';

const LANES = 4;
const WARM_UP_SECONDS = 3;
const SETTLE_MS = 100;

type Way = Pick<HandshakeCommand, 'root' | 'certificate' | 'key' | 'protocols' | 'resume'>;

/** New connections with a request over each; the generator costs as much as the proxy, so processor time is what is compared. */
export const handshake: Measure = {
  name: 'handshake',
  what: 'new connections with mutual TLS, one request over each: CPU per connection',
  byDefault: true,
  take: (context) =>
    takeHandshakes(context, 'handshake', 'server', async (name) => ({
      ...(await tlsOf(context, name)),
      resume: false,
    })),
};

export const resume: Measure = {
  name: 'resume',
  what: 'resumed TLS connections of clients without a certificate, one request over each: CPU per connection',
  byDefault: true,
  take: (context) =>
    takeHandshakes(context, 'resume', 'edge', () => {
      const { root } = needCertificates(context.certificates);
      return Promise.resolve({ root, protocols: ['http/1.1'], resume: true });
    }),
};

async function takeHandshakes(
  context: BenchContext,
  name: string,
  role: Role,
  wayOf: (subject: SubjectName) => Promise<Way>,
): Promise<Taken[]> {
  const { certificates, options, say, subjects, workbench } = context;
  const seconds = options.seconds ?? 5;
  const rounds: Partial<Record<SubjectName, number[]>> = {};
  const rates: Partial<Record<SubjectName, number[]>> = {};
  const absent = new Set<string>();
  const sidecars = new Map<SubjectName, { readonly sidecar: Sidecar; readonly way: Way }>();
  const driver = new HandshakeDriver(workbench);
  const upstream = await startUpstream(workbench);
  const giveUp = (subject: SubjectName, error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    if (subject === 'weft') throw error;
    absent.add(subject);
    say(`${subject} is absent: ${reason}`);
  };
  try {
    for (const subject of subjects) {
      if (subject.name === 'nghttpx') continue;
      try {
        const reason = reasonAbsent(subject, [role]);
        if (reason !== undefined) throw new Error(reason);
        const way = await wayOf(subject.name);
        const sidecar = await subject.start({ workbench, role, upstreamPort: upstream.port, certificates });
        sidecars.set(subject.name, { sidecar, way });
      } catch (error) {
        giveUp(subject.name, error);
      }
    }
    for (let round = 0; round <= options.rounds; round += 1) {
      const line: string[] = [];
      for (const [subject, { sidecar, way }] of sidecars) {
        if (absent.has(subject)) continue;
        try {
          const before = cpuNs(sidecar.groups);
          const run = { ...way, port: sidecar.port, host: benchHost, lanes: LANES };
          const taken = await driver.run({ ...run, seconds: round === 0 ? WARM_UP_SECONDS : seconds });
          await sleep(SETTLE_MS);
          const us = (cpuNs(sidecar.groups) - before) / 1_000 / taken.completed;
          if (taken.completed === 0 || taken.errors > 0) throw new Error(`${taken.errors} errors: ${taken.lastError}`);
          if (round === 0) continue;
          (rounds[subject] ??= []).push(us);
          (rates[subject] ??= []).push(taken.completed / taken.seconds);
          line.push(`${subject} ${us.toFixed(0)} us`);
        } catch (error) {
          giveUp(subject, error);
        }
      }
      if (round > 0) say(`round ${round}: ${line.join(', ')}`);
    }
  } finally {
    await Promise.all([...sidecars.values()].map(({ sidecar }) => sidecar.stop()));
    await Promise.all([driver.stop(), upstream.stop()]);
  }
  const perSecond = Object.entries(rates).map(([subject, values]) => `${subject} ${Math.round(median(values))}`);
  return [
    {
      name,
      unit: 'us/connection',
      rounds,
      // 0.5 and 0.6 of haproxy's connections per second of processor.
      limits: [{ kind: 'ratio', against: ['haproxy'], must: 2, goal: 1.667 }],
      absent: [...absent],
      notes: [`connections/s, as the generator made them: ${perSecond.join(', ')}`],
    },
  ];
}
