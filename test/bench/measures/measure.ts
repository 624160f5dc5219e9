/** A measure: something that is taken of all subjects side by side and gives one or more figures. */
import type { BenchOptions } from '../bench-options.ts';
import type { SubjectName, Taken } from '../figure.ts';
import type { PairCertificates } from '../subjects/pair-certificates.ts';
import type { Application, Leg, Role, Sidecar, Subject } from '../subjects/subject.ts';
import type { Workbench } from '../workbench.ts';

export interface BenchContext {
  readonly workbench: Workbench;
  readonly options: BenchOptions;
  readonly subjects: readonly Subject[];
  readonly certificates: PairCertificates | undefined;
  /** One line of progress. */
  say(line: string): void;
}

export interface Measure {
  readonly name: string;
  /** One line for `--list`. */
  readonly what: string;
  readonly byDefault: boolean;
  /** `--connections` and `--streams` are taken in place of its own. */
  readonly takesWidth?: true;
  /** Throws when it cannot be taken of Weft; peers that fail are named as absent. */
  take(context: BenchContext): Promise<Taken[]>;
}

/** A subject that is up: one sidecar, or the two of a pair. */
export interface Deployed {
  readonly name: SubjectName;
  /** Where clients connect. */
  readonly port: number;
  /** Where clients of the second application connect. */
  readonly bytesPort?: number;
  /** Process groups of all its sidecars. */
  readonly groups: readonly number[];
  stop(): Promise<void>;
}

export interface Deployment {
  readonly deployed: readonly Deployed[];
  /** Each absent peer by its name. */
  readonly absent: readonly string[];
  stop(): Promise<void>;
}

export type Shape = 'one' | 'pair';

/** What is spoken, where it is not HTTP/1.1. */
export interface Spoken {
  readonly application?: Application;
  readonly leg?: Leg;
  /** Of a second application beside, whose bytes nobody looks into. */
  readonly bytesPort?: number;
}

/**
 * Starts every subject that can take part, all before the first round: those that wait cost nothing. A peer that does
 * not start is absent; Weft that does not start fails the measure.
 */
export async function deployAll(
  context: BenchContext,
  shape: Shape,
  upstreamPort: number,
  names?: readonly SubjectName[],
  spoken: Spoken = {},
): Promise<Deployment> {
  const deployed: Deployed[] = [];
  const absent: string[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(deployed.map((each) => each.stop()));
  };
  for (const subject of context.subjects) {
    if (names !== undefined && subject.name !== 'other' && !names.includes(subject.name)) continue;
    try {
      const reason = reasonAbsent(subject, shape === 'one' ? ['plain'] : ['client', 'server']);
      if (reason !== undefined) throw new Error(reason);
      deployed.push(await deploy(context, subject, shape, upstreamPort, undefined, spoken));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (subject.name === 'weft') {
        await stop();
        throw new Error(`weft: ${message}`, { cause: error });
      }
      absent.push(subject.name);
      context.say(`${subject.name} is absent: ${message}`);
    }
  }
  return { deployed, absent, stop };
}

export async function deploy(
  context: BenchContext,
  subject: Subject,
  shape: Shape,
  upstreamPort: number,
  probe?: string,
  spoken: Spoken = {},
): Promise<Deployed> {
  const { workbench, certificates } = context;
  const common = { workbench, certificates, ...spoken, ...(probe === undefined ? {} : { probe }) };
  const sidecars: Sidecar[] = [];
  if (shape === 'one') sidecars.push(await subject.start({ ...common, role: 'plain', upstreamPort }));
  else {
    const server = await subject.start({ ...common, role: 'server', upstreamPort });
    sidecars.push(server);
    try {
      const { port: upstreamPort, bytesPort } = server;
      const ports = { upstreamPort, ...(bytesPort === undefined ? {} : { bytesPort }) };
      sidecars.unshift(await subject.start({ ...common, role: 'client', ...ports }));
    } catch (error) {
      await server.stop();
      throw error;
    }
  }
  const { port, bytesPort } = sidecars[0]!;
  return {
    name: subject.name,
    port,
    ...(bytesPort === undefined ? {} : { bytesPort }),
    groups: sidecars.flatMap(({ groups }) => groups),
    stop: async () => void (await Promise.all(sidecars.map((sidecar) => sidecar.stop()))),
  };
}

export function reasonAbsent(subject: Subject, roles: readonly Role[]): string | undefined {
  for (const role of roles) {
    const reason = subject.absent(role);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
