import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '@weft/testkit';
import { rolldown } from 'rolldown';
import type { Running, Workbench } from '../workbench.ts';
import { nodeCommand } from './subject.ts';
import type { Role, Sidecar, Subject } from './subject.ts';
import { answererResources, callerResources, writeState } from './weft-state.ts';

const program = fileURLToPath(new URL('weft-program.ts', import.meta.url));

/** As `weft proxy` starts its Node. */
const v8Flags = ['--max-semi-space-size=4'];

export interface WeftStart {
  readonly workbench: Workbench;
  readonly role: Role;
  /** Key, leaf, roots, snapshot and ports of the workload; empty but for the mode when a token is given. */
  readonly stateFolder: string;
  /** Of the application that a `server` answers for; 0 for the others. */
  readonly applicationPort: number;
  /** Folder of the probe's socket. */
  readonly probe?: string;
  /** `host:port`; absent to serve from the folder alone. */
  readonly controlAddress?: string;
  readonly token?: string;
}

/** The one place that knows how a sidecar is started. */
export async function startWeftSidecar(options: WeftStart): Promise<Running> {
  const { workbench, role, stateFolder, applicationPort, probe, controlAddress = '', token = '' } = options;
  const file = await bundleSidecar(workbench);
  const kind = role === 'server' ? 'server' : 'client';
  const args = [...v8Flags, file, kind, stateFolder, String(applicationPort), controlAddress, token];
  return workbench.start({ ...nodeCommand(args, probe), processor: 'subject' });
}

/** With everything on that a user has who configured nothing: routing, balancing, metrics, policy check. Access log off. */
export const weft: Subject = {
  name: 'weft',
  absent: () => undefined,
  version: () => `Weft on Node ${process.version}, bundled`,
  async start({ workbench, role, upstreamPort, probe }): Promise<Sidecar> {
    const [port] = (await freePorts(1)) as [number];
    const stateFolder = workbench.makeFolder(`weft-${role}`, 0o700);
    if (role === 'server') {
      await writeState(stateFolder, 'server', answererResources(upstreamPort), [`inbound ${upstreamPort} ${port}`]);
    } else {
      await writeState(stateFolder, 'client', callerResources(upstreamPort, role === 'client'), [`outbound ${port}`]);
    }
    const applicationPort = role === 'server' ? upstreamPort : 0;
    const probed = probe === undefined ? {} : { probe };
    const running = await startWeftSidecar({ workbench, role, stateFolder, applicationPort, ...probed });
    await workbench.untilListening(running, port);
    return { port, groups: [running.pid], startedMs: running.startedMs, stop: () => running.stop() };
  },
};

let bundled: Promise<string> | undefined;

/** One file, as users get it: what starting and idling cost depends on it. Made anew for every run. */
function bundleSidecar(workbench: Workbench): Promise<string> {
  bundled ??= (async () => {
    const file = join(workbench.makeFolder('bundle'), 'sidecar.mjs');
    const build = await rolldown({ input: program, platform: 'node', logLevel: 'silent' });
    await build.write({ file, format: 'esm', codeSplitting: false });
    await build.close();
    return file;
  })();
  return bundled;
}
