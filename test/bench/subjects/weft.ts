import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePorts } from '@weft/testkit';
import type { Running, Workbench } from '../workbench.ts';
import type { Role, Sidecar, Subject } from './subject.ts';
import { answererResources, callerResources, writeState } from './weft-state.ts';

const program = fileURLToPath(new URL('weft-program.ts', import.meta.url));
const bundle = fileURLToPath(new URL('../../../dist/bench-sidecar.mjs', import.meta.url));

export interface WeftStart {
  readonly workbench: Workbench;
  readonly role: Role;
  /** Key, leaf, roots, snapshot and ports of the workload. */
  readonly stateFolder: string;
  /** Of the application that a `server` answers for; 0 for the others. */
  readonly applicationPort: number;
  /** Where clients connect: the outbound proxy, or the mesh port of a `server`. */
  readonly port: number;
  readonly probe?: string;
  /** `host:port`; empty to serve from the folder alone. */
  readonly controlAddress?: string;
}

/** The one place that knows how a sidecar is started. */
export function startWeftSidecar(options: WeftStart): Running {
  const { workbench, role, stateFolder, applicationPort, probe, controlAddress } = options;
  const args = [weftFile(), role === 'server' ? 'server' : 'client', stateFolder, String(applicationPort)];
  if (controlAddress !== undefined) args.push(controlAddress);
  return workbench.start({
    command: process.execPath,
    args: probe === undefined ? args : ['--expose-gc', '--import', probe, ...args],
    processor: 'subject',
  });
}

/** With everything on that a user has who configured nothing: routing, balancing, metrics, policy check. Access log off. */
export const weft: Subject = {
  name: 'weft',
  absent: () => undefined,
  version: () => `Weft on Node ${process.version}, ${existsSync(bundle) ? 'bundled' : 'from source'}`,
  async start({ workbench, role, upstreamPort, probe }): Promise<Sidecar> {
    const [port] = (await freePorts(1)) as [number];
    const stateFolder = workbench.makeFolder(`weft-${role}`, 0o700);
    if (role === 'server') {
      await writeState(stateFolder, 'server', answererResources(upstreamPort), [`inbound ${upstreamPort} ${port}`]);
    } else {
      await writeState(stateFolder, 'client', callerResources(upstreamPort, role === 'client'), [`outbound ${port}`]);
    }
    const applicationPort = role === 'server' ? upstreamPort : 0;
    const running = startWeftSidecar({
      workbench,
      role,
      stateFolder,
      applicationPort,
      port,
      ...(probe === undefined ? {} : { probe }),
    });
    await workbench.untilListening(running, port);
    return { port, groups: [running.pid], stop: () => running.stop() };
  },
};

/** The bundle where `npm run build` has made it, else the source. */
function weftFile(): string {
  return existsSync(bundle) ? bundle : program;
}
