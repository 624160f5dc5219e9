import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName, Taken } from '../figure.ts';
import { LoadDriver } from '../load/load-driver.ts';
import type { HoldRun } from '../load/load-driver.ts';
import { memoryUse } from '../process-usage.ts';
import { needCertificates } from '../subjects/pair-certificates.ts';
import { benchHost } from '../subjects/subject.ts';
import { clientTls } from '../subjects/weft-state.ts';
import { reasonAbsent } from './measure.ts';
import type { BenchContext, Measure } from './measure.ts';

/** Before the first reading, so that what a proxy sets aside once is not counted per connection. */
const FIRST = 200;
const THEN = 1_000;
/** A proxy's own tidying up has ended by then. */
const QUIET_MS = 2_000;
/**
 * Requests on a few connections first: a virtual machine compiles its code during the first ten thousands, and what that
 * takes is no cost of a connection.
 */
const WARM_UP_SECONDS = 3;
const WARM_UP_CONNECTIONS = 8;

type Way = 'plain' | 'mtls';

/** Anonymous memory that one more idle connection takes, after one request over it. */
export const connections: Measure = {
  name: 'connections',
  what: 'memory of one idle connection that has served a request, plain and with mutual TLS',
  byDefault: true,
  async take(context) {
    const { options, say, subjects, workbench } = context;
    const rounds: Record<Way, Partial<Record<SubjectName, number[]>>> = { plain: {}, mtls: {} };
    const absent = new Set<string>();
    const driver = new LoadDriver(workbench);
    try {
      const { port: upstreamPort } = await driver.run({ do: 'upstream', port: 0 });
      for (let round = 1; round <= options.rounds; round += 1) {
        for (const way of ['plain', 'mtls'] as const) {
          const line: string[] = [];
          for (const subject of subjects) {
            if (subject.name === 'nghttpx' || absent.has(subject.name)) continue;
            try {
              const bytes = await takeOne(context, driver, subject, way, upstreamPort!);
              (rounds[way][subject.name] ??= []).push(bytes / 1_024);
              line.push(`${subject.name} ${(bytes / 1_024).toFixed(1)} KB`);
            } catch (error) {
              if (subject.name === 'weft') throw error;
              absent.add(subject.name);
              say(`${subject.name} is absent: ${error instanceof Error ? error.message : String(error)}`);
            }
          }
          say(`round ${round}, ${way}: ${line.join(', ')}`);
        }
      }
    } finally {
      await driver.stop();
    }
    return [
      figure('connections', rounds.plain, 12, 8, [...absent], 'plain'),
      figure('connections-mtls', rounds.mtls, 80, 65, [...absent], 'mutual TLS'),
    ];
  },
};

async function takeOne(
  context: BenchContext,
  driver: LoadDriver,
  subject: BenchContext['subjects'][number],
  way: Way,
  upstreamPort: number,
): Promise<number> {
  const { workbench, certificates } = context;
  const role = way === 'plain' ? 'plain' : 'server';
  const reason = reasonAbsent(subject, [role]);
  if (reason !== undefined) throw new Error(reason);
  // A process of its own for every reading: what was freed is rarely given back.
  const sidecar = await subject.start({ workbench, role, upstreamPort, certificates });
  try {
    const hold = {
      do: 'hold',
      port: sidecar.port,
      host: benchHost,
      ...(way === 'plain' ? {} : { tls: await tlsOf(context, subject.name) }),
    } as const satisfies Omit<HoldRun, 'connections'>;
    if (way === 'plain') {
      const { port, host } = hold;
      await driver.run({ do: 'closed', port, host, seconds: WARM_UP_SECONDS, connections: WARM_UP_CONNECTIONS });
    }
    await driver.run({ ...hold, connections: FIRST });
    await sleep(QUIET_MS);
    const before = memoryUse(sidecar.groups).anonymousBytes;
    await driver.run({ ...hold, connections: THEN });
    await sleep(QUIET_MS);
    const after = memoryUse(sidecar.groups).anonymousBytes;
    const alive = (await driver.run({ do: 'alive' })).completed;
    if (alive < FIRST + THEN) throw new Error(`${subject.name} closed ${FIRST + THEN - alive} idle connections`);
    return (after - before) / THEN;
  } finally {
    await driver.run({ do: 'release' });
    await sidecar.stop();
  }
}

/** With what a client of the bench speaks to the `server` of a subject's pair. */
export async function tlsOf(context: BenchContext, subject: SubjectName): Promise<NonNullable<HoldRun['tls']>> {
  if (subject === 'weft' || subject === 'other') return clientTls(context.workbench);
  const { root, clientCertificate: certificate, clientKey: key } = needCertificates(context.certificates);
  return { root, certificate, key, protocols: ['http/1.1'] };
}

function figure(
  name: string,
  rounds: Partial<Record<SubjectName, number[]>>,
  must: number,
  goal: number,
  absent: readonly string[],
  way: string,
): Taken {
  return {
    name,
    unit: 'KB',
    rounds,
    limits: [{ kind: 'value', against: [], must, goal }],
    absent,
    notes: [`${way}, from ${FIRST} to ${FIRST + THEN} connections, anonymous memory`],
  };
}
