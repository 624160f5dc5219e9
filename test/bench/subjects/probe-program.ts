/** Loaded into a subject before its own code; see probe.ts. */
import { createServer } from 'node:net';
import { setFlagsFromString, getHeapStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { probeSocket } from './probe.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const folder = process.env['WEFT_BENCH_PROBE'];
if (folder === undefined) throw new Error('WEFT_BENCH_PROBE does not name the folder of the socket');

createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (what: Buffer) => {
    // Twice: what finalizers let go is collected by the second.
    if (what.toString('latin1') === 'collect') {
      collect();
      collect();
    }
    const {
      total_allocated_bytes: allocatedBytes,
      used_heap_size: usedBytes,
      external_memory: externalBytes,
    } = getHeapStatistics() as ReturnType<typeof getHeapStatistics> & { total_allocated_bytes: number };
    socket.end(JSON.stringify({ allocatedBytes, usedBytes, externalBytes }));
  });
})
  .listen(probeSocket(folder, process.pid))
  .unref();
