/**
 * What only a subject's own process knows, asked over a UNIX socket. `probe-program.ts` is loaded into the subject with
 * `--import`; a subject whose CPU is measured never has it.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const probeProgram = fileURLToPath(new URL('probe-program.ts', import.meta.url));

export type ProbeQuestion = 'read' | 'collect' | 'watch' | 'snapshot';

export interface HeapFacts {
  /** Bytes ever allocated on the heap of V8. */
  readonly allocatedBytes: number;
  /** In use on the heap, after a full collection when one was asked for. */
  readonly usedBytes: number;
  /** Held outside the heap by objects on it. */
  readonly externalBytes: number;
  /** Longest turn of the event loop since `watchTurns`, milliseconds; 0 when nobody watches. */
  readonly longestTurnMs: number;
}

/** Each Node process takes the name of its own socket from its number. */
export function probeSocket(folder: string, pid: number): string {
  return `${folder}/probe-${pid}.sock`;
}

/** With `collect` after a full garbage collection. Also ends the watch over turns. */
export function readHeap(folder: string, pid: number, collect: boolean): Promise<HeapFacts> {
  return ask(folder, pid, collect ? 'collect' : 'read');
}

/** From now on the loop turns without a pause, and how long its longest turn takes is noted. */
export async function watchTurns(folder: string, pid: number): Promise<void> {
  await ask(folder, pid, 'watch');
}

/** Has the heap written to a file, as DevTools load it, and returns its path. The one before is overwritten. */
export async function writeHeap(folder: string, pid: number): Promise<string> {
  await ask(folder, pid, 'snapshot');
  return snapshotFile(folder, pid);
}

export function snapshotFile(folder: string, pid: number): string {
  return `${folder}/heap-${pid}.heapsnapshot`;
}

async function ask(folder: string, pid: number, question: ProbeQuestion): Promise<HeapFacts> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await askOnce(probeSocket(folder, pid), question);
    } catch (error) {
      if (attempt === 50) throw error;
      await sleep(20);
    }
  }
}

function askOnce(path: string, question: ProbeQuestion): Promise<HeapFacts> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.once('connect', () => socket.end(question));
    socket.on('data', (part: string) => (text += part));
    socket.once('end', () => resolve(JSON.parse(text) as HeapFacts));
    socket.once('error', reject);
  });
}
