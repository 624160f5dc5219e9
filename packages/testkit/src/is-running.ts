import { readFileSync } from 'node:fs';

/**
 * Whether the process runs. One that has ended and that nobody has asked for its exit code does not, though it still has
 * its number: orphans stay like that where the first process of a container does not care for them.
 */
export function isRunning(pid: number): boolean {
  try {
    if (process.platform === 'linux') return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
