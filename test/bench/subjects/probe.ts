/**
 * What only V8 itself knows of a subject, asked over a UNIX socket. `probe-program.ts` is loaded into the subject with
 * `--import`; a subject that is measured for time never has it.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const probeProgram = fileURLToPath(new URL('probe-program.ts', import.meta.url));

export interface HeapFacts {
  /** Bytes ever allocated on the heap of V8. */
  readonly allocatedBytes: number;
  /** In use on the heap, after a full collection when one was asked for. */
  readonly usedBytes: number;
  /** Held outside the heap by objects on it. */
  readonly externalBytes: number;
}

/** Each Node process takes the name of its own socket from its number. */
export function probeSocket(folder: string, pid: number): string {
  return `${folder}/probe-${pid}.sock`;
}

export async function readHeap(folder: string, pid: number, collect: boolean): Promise<HeapFacts> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await askHeap(probeSocket(folder, pid), collect);
    } catch (error) {
      if (attempt === 50) throw error;
      await sleep(20);
    }
  }
}

function askHeap(path: string, collect: boolean): Promise<HeapFacts> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.once('connect', () => socket.end(collect ? 'collect' : 'read'));
    socket.on('data', (part: string) => (text += part));
    socket.once('end', () => resolve(JSON.parse(text) as HeapFacts));
    socket.once('error', reject);
  });
}
