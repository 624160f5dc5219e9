import type { ProcessFacts } from '@weft/telemetry';

/** What the system says about this process; the heap is that of the thread that asks. */
export function readProcessFacts(weftVersion: string, startMs: number): ProcessFacts {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  return {
    residentBytes: memory.rss,
    heapUsedBytes: memory.heapUsed,
    externalBytes: memory.external,
    cpuUserMs: cpu.user / 1000,
    cpuSystemMs: cpu.system / 1000,
    startMs,
    weftVersion,
    nodeVersion: process.versions.node,
  };
}
