/** Sidecars that are led by a control plane. */
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeSealedFile } from '@weft/identity';
import { freePorts } from '@weft/testkit';
import type { Sidecar } from '../subjects/subject.ts';
import { startWeftSidecar } from '../subjects/weft.ts';
import type { Workbench } from '../workbench.ts';
import type { Control } from './control-driver.ts';

export interface ControlledSidecar extends Sidecar {
  readonly stateFolder: string;
}

/** One with nothing but a join token: it gets its certificate and all its configuration first. */
export async function startColdSidecar(
  workbench: Workbench,
  control: Control,
  probe?: string,
): Promise<ControlledSidecar> {
  const token = await control.token('client');
  const stateFolder = workbench.makeFolder('weft-cold', 0o700);
  const [port] = (await freePorts(1)) as [number];
  // Nothing of an earlier life but where to listen, so that it can be found.
  const written = writeSealedFile(join(stateFolder, 'ports'), `outbound ${port}\n`);
  if (!written.ok) throw new Error(written.error.message);
  return start(workbench, control, stateFolder, port, token, probe);
}

/** The same workload again, from what the first life has stored, with its control stream. */
export function restartSidecar(
  workbench: Workbench,
  control: Control,
  before: ControlledSidecar,
): Promise<ControlledSidecar> {
  return start(workbench, control, before.stateFolder, before.port, '');
}

/** Resolves when the sidecar says that its control stream is open. */
export async function untilConnected({ stateFolder }: ControlledSidecar): Promise<void> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const stats = await readStats(join(stateFolder, 'admin.sock'));
    if (stats?.control?.state === 'connected') return;
    if (performance.now() > endMs)
      throw new Error(`the sidecar's control stream is ${stats?.control?.state ?? 'unknown'}`);
    await sleep(20);
  }
}

async function start(
  workbench: Workbench,
  control: Control,
  stateFolder: string,
  port: number,
  token: string,
  probe?: string,
): Promise<ControlledSidecar> {
  const running = await startWeftSidecar({
    workbench,
    role: 'plain',
    stateFolder,
    applicationPort: 0,
    controlAddress: control.address,
    token,
    ...(probe === undefined ? {} : { probe }),
  });
  await workbench.untilListening(running, port);
  return { port, stateFolder, groups: [running.pid], startedMs: running.startedMs, stop: () => running.stop() };
}

function readStats(socketPath: string): Promise<{ control?: { state?: string } } | undefined> {
  return new Promise((resolve) => {
    request({ socketPath, path: '/stats', agent: false }, (reply) => {
      let text = '';
      reply.setEncoding('utf8');
      reply.on('data', (part: string) => (text += part));
      reply.on('end', () => resolve(JSON.parse(text) as { control?: { state?: string } }));
    })
      .once('error', () => resolve(undefined))
      .end();
  });
}
