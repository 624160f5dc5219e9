// What every program of the shop shows on a second port, for people and tests only: its counts (GET /); and how it is
// broken on purpose (POST / with faults such as {"delayMs", "status"}).
import http from 'node:http';

/** `read()` gives the counts; `faults` is changed in place, and `change` is told what was sent. Prints the ready line. */
export function showOperations({ name, instance, port, faults, read, change = () => {} }) {
  const operations = http.createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      if (request.method === 'POST') {
        const sent = JSON.parse(text);
        for (const fault of Object.keys(faults)) if (sent[fault] !== undefined) faults[fault] = sent[fault];
        change(sent);
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...read(), faults }));
    });
  });
  operations.listen(0, '127.0.0.1', () => {
    const line = { name, instance, port, operationsPort: operations.address().port };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
}

/** Counts connections of a server and the bytes they brought. */
export class ConnectionCount {
  constructor(server) {
    this.connections = 0;
    this.bytesOfClosed = 0;
    this.sockets = new Set();
    server.on('connection', (socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.on('close', () => {
        this.sockets.delete(socket);
        this.bytesOfClosed += socket.bytesRead;
      });
    });
  }

  get bytes() {
    let bytes = this.bytesOfClosed;
    for (const socket of this.sockets) bytes += socket.bytesRead;
    return bytes;
  }
}
