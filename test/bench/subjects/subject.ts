/** What is measured: a proxy of any make, in one of three roles, as processes of its own. */
import type { SubjectName } from '../figure.ts';
import type { Workbench } from '../workbench.ts';
import type { PairCertificates } from './pair-certificates.ts';

/**
 * `plain` takes HTTP/1.1 and passes it on as HTTP/1.1. A pair is a `client`, which takes HTTP/1.1 and passes it on over
 * mutual TLS, and a `server`, which takes that and passes it on as HTTP/1.1.
 */
export type Role = 'plain' | 'client' | 'server';

/** The `Host` of every request. Weft routes by it; the others pass everything on. */
export const benchHost = 'echo';

export interface SubjectStart {
  readonly workbench: Workbench;
  readonly role: Role;
  /** Where it passes requests on to: the upstream, or the `server` of its pair. */
  readonly upstreamPort: number;
  /** For the two roles of a pair. */
  readonly certificates: PairCertificates | undefined;
  /** Loaded into subjects that run on Node, for what only V8 knows; see probe.ts. */
  readonly probe?: string;
}

export interface Sidecar {
  readonly port: number;
  /** Its process groups. */
  readonly groups: readonly number[];
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
