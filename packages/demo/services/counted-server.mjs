// An ordinary HTTP server that counts what reaches it.
import http from 'node:http';
import { ConnectionCount, showOperations } from './operations.mjs';

/**
 * `answer(request)` returns {status, body}; `request` carries method, path, headers and the body's length. `prepare` is given
 * the server and the counts before it listens.
 */
export function startCountedServer(name, answer, prepare = () => {}) {
  const instance = process.env.INSTANCE ?? name;
  const version = process.env.VERSION ?? '';
  const counts = { instance, requests: 0, answered: 0, byIdentity: {}, byMethod: {} };
  const faults = { delayMs: 0, status: 0 };
  let mostAtOnce = 0;

  const server = http.createServer((request, response) => {
    counts.requests += 1;
    mostAtOnce = Math.max(mostAtOnce, counts.requests - counts.answered);
    const identity = request.headers['weft-client-identity'] ?? '(none)';
    counts.byIdentity[identity] = (counts.byIdentity[identity] ?? 0) + 1;
    counts.byMethod[request.method] = (counts.byMethod[request.method] ?? 0) + 1;
    let bodyBytes = 0;
    request.on('data', (chunk) => (bodyBytes += chunk.length));
    request.on('error', () => {});
    request.on('end', async () => {
      if (faults.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, faults.delayMs));
      const { status, body } =
        faults.status === 0 ? await answer(request, bodyBytes) : { status: faults.status, body: 'broken on purpose\n' };
      response.writeHead(status, { 'content-type': 'text/plain', 'x-instance': instance, 'x-version': version });
      response.end(body);
      counts.answered += 1;
    });
  });
  const connections = new ConnectionCount(server);
  prepare(server, counts);

  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
    showOperations({
      name,
      instance,
      port: server.address().port,
      faults,
      read() {
        const read = { ...counts, mostAtOnce, connections: connections.connections, bytes: connections.bytes };
        mostAtOnce = counts.requests - counts.answered;
        return read;
      },
      change({ closeIdleAfterMs }) {
        if (closeIdleAfterMs === undefined) return;
        server.keepAliveTimeout = closeIdleAfterMs;
        // Node adds a second of grace by itself; here the announced time is the true one.
        server.keepAliveTimeoutBuffer = 0;
      },
    });
  });
}

/** Calls another service by its plain name; the environment's proxy setting does the rest. */
export async function call(url, request) {
  const headers = {};
  // What a traced application does: it passes on what belongs to the trace.
  for (const name of ['traceparent', 'tracestate', 'x-request-id']) {
    if (request.headers[name] !== undefined) headers[name] = request.headers[name];
  }
  try {
    const response = await fetch(url, { headers });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { status: 502, body: `${url}: ${error.cause?.message ?? error.message}\n` };
  }
}
