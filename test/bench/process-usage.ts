/**
 * What a process and all its children have used, from /proc. Children are found by process group: every subject is
 * started as the leader of its own, and workers of haproxy and nginx stay in it.
 */
import { readFileSync, readdirSync } from 'node:fs';

/** Every live process of a group. */
export function processesOf(group: number): number[] {
  const found: number[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const fields = statFields(Number(entry));
    if (fields !== undefined && Number(fields[2]) === group && fields[0] !== 'Z') found.push(Number(entry));
  }
  return found;
}

/** Nanoseconds of user and system time of all threads; an ended thread's time is lost, and none end while we measure. */
export function cpuNs(groups: readonly number[]): number {
  return sumSchedstat(groups, 0);
}

/** Nanoseconds in which threads were ready to run and others had their processor. */
export function waitedNs(groups: readonly number[]): number {
  return sumSchedstat(groups, 1);
}

function sumSchedstat(groups: readonly number[], field: 0 | 1): number {
  let sum = 0;
  for (const group of groups) {
    for (const pid of processesOf(group)) {
      for (const task of tasksOf(pid)) {
        const text = readText(`/proc/${pid}/task/${task}/schedstat`);
        if (text !== undefined) sum += Number(text.split(' ', 2)[field]);
      }
    }
  }
  return sum;
}

export interface MemoryUse {
  readonly rssBytes: number;
  readonly anonymousBytes: number;
}

export function memoryUse(groups: readonly number[]): MemoryUse {
  let rssBytes = 0;
  let anonymousBytes = 0;
  for (const group of groups) {
    for (const pid of processesOf(group)) {
      const status = readText(`/proc/${pid}/status`) ?? '';
      rssBytes += kilobytes(status, 'VmRSS') * 1024;
      anonymousBytes += kilobytes(status, 'RssAnon') * 1024;
    }
  }
  return { rssBytes, anonymousBytes };
}

const PAGE_BYTES = 4_096;

/**
 * Resident memory of these processes, for a watch that looks many times a second: one line of each, where looking for the
 * processes themselves reads those of the whole machine and holds up the load that is made beside it.
 */
export function residentBytes(pids: readonly number[]): number {
  let bytes = 0;
  for (const pid of pids) bytes += Number((readText(`/proc/${pid}/statm`) ?? '').split(' ', 2)[1] ?? 0) * PAGE_BYTES;
  return bytes;
}

/** From `state` on; the name before it may hold blanks and brackets. */
function statFields(pid: number): string[] | undefined {
  const text = readText(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Undefined when the process has ended meanwhile. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
}
