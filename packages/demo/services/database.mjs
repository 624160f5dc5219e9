// Stands in for Redis where there is none: the few commands that the shop uses, over the Redis protocol, counted as
// Redis counts.
import { createServer } from 'node:net';
import { RespReader, writeBulk } from './resp.mjs';

const values = new Map();
const counts = { connections: 0, commands: 0, received: 0, sent: 0 };

const commands = {
  ping: () => '+PONG\r\n',
  get: ([key]) => writeBulk(values.get(key) ?? null),
  set([key, value]) {
    values.set(key, value);
    return '+OK\r\n';
  },
  incr([key]) {
    const next = Number(values.get(key) ?? 0) + 1;
    values.set(key, String(next));
    return `:${next}\r\n`;
  },
  info: () =>
    writeBulk(
      [
        '# Stats',
        `total_connections_received:${counts.connections}`,
        `total_commands_processed:${counts.commands}`,
        `total_net_input_bytes:${counts.received}`,
        `total_net_output_bytes:${counts.sent}`,
        '',
      ].join('\r\n'),
    ),
};

const server = createServer({ noDelay: true }, (socket) => {
  counts.connections += 1;
  const reader = new RespReader((command) => {
    const [name = '', ...words] = Array.isArray(command) ? command : [];
    const run = commands[String(name).toLowerCase()];
    const answer = run === undefined ? `-ERR unknown command '${name}'\r\n` : run(words);
    // As Redis does: a command counts when it is done.
    counts.commands += 1;
    counts.sent += Buffer.byteLength(answer);
    socket.write(answer);
  });
  socket.on('data', (chunk) => {
    counts.received += chunk.length;
    try {
      reader.feed(chunk);
    } catch (error) {
      socket.end(`-ERR ${error.message}\r\n`);
    }
  });
  socket.on('error', () => {});
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
