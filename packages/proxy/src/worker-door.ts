/**
 * Serves in this worker thread, which `startProxy` of another thread has started with `workers` above 1; resolves once it
 * listens. For the entry of a bundled program, which is started again as each of its workers: it calls this, and nothing
 * else, where `isMainThread` of `node:worker_threads` is false.
 */
export async function serveAsWorker(): Promise<void> {
  // Loaded here so that a proxy with one thread loads none of it.
  const { startWorkerThread } = await import('./worker/worker-entry.ts');
  await startWorkerThread();
}
