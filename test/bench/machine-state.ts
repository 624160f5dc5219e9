/** What the machine was doing meanwhile: without it no figure means anything. */
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release } from 'node:os';

export interface CpuTicks {
  readonly total: number;
  readonly steal: number;
}

export function readCpuTicks(): CpuTicks {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!;
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { total: fields.reduce((sum, ticks) => sum + ticks, 0), steal: fields[7] ?? 0 };
}

/** Per cent of the machine's time that the host gave to others since `before`. */
export function stealPercentSince(before: CpuTicks): number {
  const now = readCpuTicks();
  const total = now.total - before.total;
  return total === 0 ? 0 : ((now.steal - before.steal) / total) * 100;
}

export function loadText(): string {
  return loadavg()
    .map((load) => load.toFixed(2))
    .join(' ');
}

export function machineText(): string {
  return `${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}, ${platform()} ${release()} ${arch()}, Node ${process.version}`;
}
