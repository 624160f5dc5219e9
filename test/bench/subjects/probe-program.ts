/** Loaded into a subject before its own code; see probe.ts. */
import { createServer } from 'node:net';
import { getHeapStatistics, setFlagsFromString, writeHeapSnapshot } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { probeSocket, snapshotFile } from './probe.ts';
import type { HeapFacts, ProbeQuestion } from './probe.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const folder = process.env['WEFT_BENCH_PROBE'];
if (folder === undefined) throw new Error('WEFT_BENCH_PROBE does not name the folder of the socket');

let watching = false;
let longestTurnMs = 0;
let turnMs = 0;

function turn(): void {
  const nowMs = performance.now();
  if (nowMs - turnMs > longestTurnMs) longestTurnMs = nowMs - turnMs;
  turnMs = nowMs;
  if (watching) setImmediate(turn);
}

createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (bytes: Buffer) => {
    const question = bytes.toString('latin1') as ProbeQuestion;
    if (question === 'snapshot') writeHeapSnapshot(snapshotFile(folder, process.pid));
    const reply: HeapFacts = { ...heapFacts(question === 'collect'), longestTurnMs };
    longestTurnMs = 0;
    watching = question === 'watch';
    if (watching) {
      turnMs = performance.now();
      setImmediate(turn);
    }
    socket.end(JSON.stringify(reply));
  });
})
  .listen(probeSocket(folder, process.pid))
  .unref();

function heapFacts(afterCollection: boolean): Omit<HeapFacts, 'longestTurnMs'> {
  // Twice: what finalizers let go is collected by the second.
  if (afterCollection) {
    collect();
    collect();
  }
  // The types of Node do not know it yet.
  const statistics = getHeapStatistics() as ReturnType<typeof getHeapStatistics> & { total_allocated_bytes: number };
  return {
    allocatedBytes: statistics.total_allocated_bytes,
    usedBytes: statistics.used_heap_size,
    externalBytes: statistics.external_memory,
  };
}
