// An ordinary HTTP server that counts what reaches it. A second port, for people and tests only, shows the counts
// (GET /) and breaks the service on purpose (POST / with {"delayMs", "status", "closeIdleAfterMs"}).
import http from 'node:http';

/** `answer(request)` returns {status, body}; `request` carries method, path, headers and the body's length. */
export function startCountedServer(name, answer) {
  const instance = process.env.INSTANCE ?? name;
  const version = process.env.VERSION ?? '';
  const counts = { instance, requests: 0, answered: 0, connections: 0, bytes: 0, byIdentity: {}, byMethod: {} };
  const faults = { delayMs: 0, status: 0 };
  const sockets = new Set();
  let bytesOfClosed = 0;

  const server = http.createServer((request, response) => {
    counts.requests += 1;
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
  server.on('connection', (socket) => {
    counts.connections += 1;
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      bytesOfClosed += socket.bytesRead;
    });
  });

  const operations = http.createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      if (request.method === 'POST') {
        const { closeIdleAfterMs, ...changed } = JSON.parse(text);
        Object.assign(faults, changed);
        if (closeIdleAfterMs !== undefined) {
          server.keepAliveTimeout = closeIdleAfterMs;
          // Node adds a second of grace by itself; here the announced time is the true one.
          server.keepAliveTimeoutBuffer = 0;
        }
      }
      let bytes = bytesOfClosed;
      for (const socket of sockets) bytes += socket.bytesRead;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...counts, bytes, faults }));
    });
  });

  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
    operations.listen(0, '127.0.0.1', () => {
      const line = { name, instance, port: server.address().port, operationsPort: operations.address().port };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    });
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
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
