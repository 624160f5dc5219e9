/** Where a worker thread starts when Weft runs from its sources. A bundle starts its workers from itself. */
import { startWorkerThread } from './worker-entry.ts';

await startWorkerThread();
