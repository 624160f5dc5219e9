/** Sidecars for counting: from source, so that nothing is built first, at ordinary priority, beside whatever else runs. */
import { weftProgram } from '@weft/cli';
import { freePorts } from '@weft/testkit';
import type { Resource } from '@weft/model';
import { answererResources, callerResources, writeState } from '../bench/subjects/weft-state.ts';
import { startWeftSidecar } from '../bench/subjects/weft.ts';
import { Workbench } from '../bench/workbench.ts';
import type { Running } from '../bench/workbench.ts';

/**
 * What V8 counts as allocated holds the copies that a collection of the young makes: 200 bytes a request and more with the young
 * generation of 1 MB that users have. None runs within a window with this one, so the count is of what the code allocates.
 */
const UNCOLLECTED = ['--min-semi-space-size=64', '--max-semi-space-size=64'];

export interface CountedSidecar {
  readonly role: 'plain' | 'server';
  readonly workbench: Workbench;
  readonly pid: number;
  /** Where clients connect. */
  readonly port: number;
  /** Folder of the probe's socket; see ../bench/subjects/probe.ts. */
  readonly probe: string;
  readonly running: Running;
}

export interface CountedStart {
  /** `plain` takes HTTP/1.1 from an application; `server` takes it over mutual TLS and passes it on to one. */
  readonly role: CountedSidecar['role'];
  readonly upstreamPort: number;
  /** `host:port` of a control plane; absent to serve from the state folder alone. */
  readonly controlAddress?: string;
  /** False leaves the probe out: the process is as users run it. */
  readonly probed: boolean;
  /** `plain` sends to a sidecar of role `server` at `upstreamPort`, over mutual TLS. */
  readonly mesh?: boolean;
}

export function callerView(upstreamPort: number): Resource[] {
  return callerResources(upstreamPort, false);
}

/** Resolves when it listens; `stopSidecar` ends it. */
export async function startCountedSidecar(start: CountedStart): Promise<CountedSidecar> {
  const { role, upstreamPort, controlAddress, probed } = start;
  const workbench = new Workbench({ privileged: false });
  const stateFolder = workbench.makeFolder('state', 0o700);
  const probe = workbench.makeFolder('probe', 0o700);
  const [port] = (await freePorts(1)) as [number];
  if (role === 'server') {
    await writeState(stateFolder, 'server', answererResources(upstreamPort), [`inbound ${upstreamPort} ${port}`]);
  } else {
    await writeState(stateFolder, 'client', callerResources(upstreamPort, start.mesh === true), [`outbound ${port}`]);
  }
  const running = await startWeftSidecar({
    workbench,
    role,
    stateFolder,
    program: [weftProgram, 'proxy'],
    applicationPort: role === 'server' ? upstreamPort : 0,
    ...(probed ? { probe, v8Flags: UNCOLLECTED } : {}),
    ...(controlAddress === undefined ? {} : { controlAddress }),
  });
  try {
    await workbench.untilListening(running, port, 30_000);
  } catch (error) {
    await running.stop();
    throw error;
  }
  return { workbench, role, pid: running.pid, port, probe, running };
}

export async function stopSidecar({ workbench }: CountedSidecar): Promise<void> {
  await workbench.stopAll();
}
