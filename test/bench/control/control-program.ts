/** Run by control-driver.ts. */
import { join } from 'node:path';
import { startControlPlane } from '@weft/control';
import type { ControlPlane } from '@weft/control';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import { answerLines } from '../line-program.ts';
import type { ControlCommand } from './control-driver.ts';

const note = (message: string): void => void process.stderr.write(`${message}\n`);
let plane: ControlPlane | undefined;

await answerLines<ControlCommand>(async (command) => {
  if (command.do === 'token') {
    if (plane === undefined) throw new Error('not started');
    return plane.createToken({ namespace: command.namespace, service: command.service });
  }
  const { configFolder, stateFolder, trustDomain } = command;
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  plane = await startControlPlane({
    name: 'bench',
    configFolder,
    stateFolder,
    host: '127.0.0.1',
    port: 0,
    adminSocket: join(stateFolder, 'admin.sock'),
    trustDomain,
    clock: systemClock,
    wheel,
    random: systemRandom,
    log: { info: () => {}, warn: note, error: note },
  });
  return { address: plane.address };
});
