// The prices: a gRPC server that keeps its prices in a database. DATABASE is where that is, HOST:PORT.
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ConnectionCount, showOperations } from './operations.mjs';
import { RespReader, writeCommand } from './resp.mjs';

const instance = process.env.INSTANCE ?? 'prices';
const { Prices } = loadPackageDefinition(loadSync(fileURLToPath(new URL('prices.proto', import.meta.url)))).shop.v1;
const counts = {
  instance,
  requests: 0,
  answered: 0,
  messages: 0,
  cancelled: 0,
  leftMs: 0,
  byIdentity: {},
  byMethod: {},
};
const faults = { delayMs: 0, status: 0 };

/** One connection, opened when it is needed and again after it was lost; commands are answered in order. */
class Database {
  constructor(address) {
    [this.host, this.port] = address.split(':');
    this.socket = null;
    this.waiting = [];
  }

  ask(...words) {
    this.socket ??= this.open();
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(writeCommand(words));
    });
  }

  open() {
    const socket = connect(Number(this.port), this.host);
    socket.setNoDelay(true);
    const reader = new RespReader((value) => {
      const { resolve, reject } = this.waiting.shift() ?? {};
      if (value instanceof Error) reject?.(value);
      else resolve?.(value);
    });
    let reason = 'the database closed the connection';
    socket.on('data', (chunk) => reader.feed(chunk));
    socket.on('error', (error) => (reason = error.message));
    socket.on('close', () => {
      this.socket = null;
      for (const { reject } of this.waiting.splice(0)) reject(new Error(reason));
    });
    return socket;
  }
}

const database = new Database(process.env.DATABASE ?? '127.0.0.1:6379');

/** The price of an item, set when it was never asked for. */
async function priceOf(name) {
  const known = await database.ask('GET', `price:${name}`);
  if (typeof known === 'string') return Number(known);
  const cents = 990;
  await database.ask('SET', `price:${name}`, String(cents));
  return cents;
}

function begin(call, method) {
  counts.requests += 1;
  const identity = call.metadata.get('weft-client-identity')[0] ?? '(none)';
  counts.byIdentity[identity] = (counts.byIdentity[identity] ?? 0) + 1;
  counts.byMethod[method] = (counts.byMethod[method] ?? 0) + 1;
  const deadline = Number(call.getDeadline());
  counts.leftMs = Number.isFinite(deadline) ? deadline - Date.now() : 0;
  call.on('cancelled', () => (counts.cancelled += 1));
  const { delayMs } = faults;
  return delayMs > 0 ? new Promise((resolve) => setTimeout(resolve, delayMs)) : undefined;
}

const failure = (error) => ({ code: status.INTERNAL, details: error.message });

const server = new Server();
server.addService(Prices.service, {
  async Get(call, done) {
    try {
      await begin(call, 'Get');
      const { name } = call.request;
      const cents = await priceOf(name);
      counts.answered += 1;
      counts.messages += 1;
      done(null, { name, cents });
    } catch (error) {
      done(failure(error));
    }
  },
  async Watch(call) {
    try {
      await begin(call, 'Watch');
      const { name, times } = call.request;
      const cents = await priceOf(name);
      for (let turn = 0; turn < times; turn += 1) {
        counts.messages += 1;
        // Not faster than it is read.
        if (!call.write({ name, cents, turn })) await new Promise((resolve) => call.once('drain', resolve));
      }
      counts.answered += 1;
      call.end();
    } catch (error) {
      call.emit('error', failure(error));
    }
  },
});

const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
const sockets = createServer({ noDelay: true }, (socket) => injector.injectConnection(socket));
const connections = new ConnectionCount(sockets);
sockets.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  showOperations({
    name: 'prices',
    instance,
    port: sockets.address().port,
    faults,
    read: () => ({ ...counts, connections: connections.connections, bytes: connections.bytes }),
  });
});
