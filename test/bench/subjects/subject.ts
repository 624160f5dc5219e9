/** What is measured: a proxy of any make, in one of three roles, as processes of its own. */
import type { SubjectName } from '../figure.ts';
import type { Workbench } from '../workbench.ts';
import type { PairCertificates } from './pair-certificates.ts';
import { probeProgram } from './probe.ts';

/**
 * `plain` takes what applications speak and passes it on as it is. A pair is a `client`, which takes that and passes it on over
 * mutual TLS, and a `server`, which takes what comes over mutual TLS and passes it on as applications speak it. An `edge` takes
 * HTTP/1.1 over TLS from clients that show no certificate, and lets them resume their sessions.
 */
export type Role = 'plain' | 'client' | 'server' | 'edge';

/**
 * What the applications on both ends speak: HTTP/1.1 unless said otherwise. `http2` is HTTP/2 by prior knowledge, `tcp` is bytes that
 * nobody looks into.
 */
export type Application = 'http1' | 'http2' | 'tcp';

/** What the two of a pair speak over TLS, where the subject has the choice: HTTP/1.1 unless said otherwise. Weft always chooses itself. */
export type Leg = 'http1' | 'http2';

/** The `Host` of every request. Weft routes by it; the others pass everything on. */
export const benchHost = 'echo';

export interface SubjectStart {
  readonly workbench: Workbench;
  readonly role: Role;
  /** Where it passes requests on to: the upstream, or the `server` of its pair. */
  readonly upstreamPort: number;
  /** The same of a second application beside it, whose bytes nobody looks into; absent when there is none. */
  readonly bytesPort?: number;
  readonly application?: Application;
  readonly leg?: Leg;
  /** For the two roles of a pair. */
  readonly certificates: PairCertificates | undefined;
  /** Folder for the sockets of probes, which are then loaded into subjects that run on Node; see probe.ts. */
  readonly probe?: string;
}

export interface Sidecar {
  readonly port: number;
  /** Where it takes what is for the second application. */
  readonly bytesPort?: number;
  /** Its process groups. */
  readonly groups: readonly number[];
  /** When its process was started, on the clock of `performance.now`. */
  readonly startedMs: number;
  stop(): Promise<void>;
}

export interface Subject {
  readonly name: SubjectName;
  /** Why it cannot take part on this machine, or undefined. */
  absent(role: Role): string | undefined;
  version(): string;
  /** Resolves when it listens. */
  start(options: SubjectStart): Promise<Sidecar>;
}

/** How a subject that runs on Node is started, with or without a probe. */
export function nodeCommand(
  args: readonly string[],
  probe: string | undefined,
): { command: string; args: readonly string[]; environment: Readonly<Record<string, string>> } {
  return probe === undefined
    ? { command: process.execPath, args, environment: {} }
    : {
        command: process.execPath,
        args: ['--import', probeProgram, ...args],
        environment: { WEFT_BENCH_PROBE: probe },
      };
}
