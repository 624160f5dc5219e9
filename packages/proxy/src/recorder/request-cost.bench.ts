/**
 * What counting and remembering cost of a request, against a recorder that does nothing: both ways through a data plane of their
 * own on real sockets, in turns, with 16 callers each in lockstep: `node packages/proxy/src/recorder/request-cost.bench.ts
 * [rounds 20]`. Processor time of the whole process, callers and application included; the difference is the recorder's.
 */
import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import { terminationIndex } from '@weft/outcome';
import { RequestMetrics, SeriesTable } from '@weft/telemetry';
import { TimerWheel, systemClock } from '@weft/kernel';
import type { ExchangeRecorder } from '../exchange/engine.ts';
import { PlaneFixture, plainEndpoint } from '../fixture/plane-fixture.ts';
import { RequestWatch } from './request-watch.ts';

const CALLERS = 16;
const EACH = 250;
const [rounds = 20] = process.argv.slice(2).map(Number);
const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
const REQUEST = Buffer.from('GET /items/7 HTTP/1.1\r\nHost: orders\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n');

const application = createServer((socket) => socket.on('data', () => socket.write(ANSWER)));
application.listen(0, '127.0.0.1');
await once(application, 'listening');
const { port } = application.address() as AddressInfo;

const nothing: ExchangeRecorder = { begun: () => {}, retried: () => {}, ended: () => {} };
const off = await openWay(nothing);
const metrics = await openWay(counting(null));
const on = await openWay(counting(watchOf()));
const ways = [off, metrics, on];
for (const way of ways) await round(way);
const used: number[][] = ways.map(() => []);
for (let index = 0; index < rounds; index += 1) {
  for (const [at, way] of ways.entries()) used[at]!.push(await round(way));
}
const said = used.map((values) => {
  const sorted = values.toSorted((left, right) => left - right);
  return `${sorted[0]!.toFixed(2)} best, ${sorted[values.length >> 1]!.toFixed(2)} median`;
});
console.log(
  `processor of all ends, microseconds a request: nothing recorded ${said[0]}; metrics ${said[1]}; ` +
    `metrics, edges and decisions ${said[2]}`,
);
process.exit(0);

interface Way {
  readonly sockets: readonly Socket[];
}

function watchOf(): RequestWatch {
  return new RequestWatch({
    clock: systemClock,
    wheel: new TimerWheel(systemClock),
    threads: 1,
    version: () => '',
    onTapped: () => undefined,
  });
}

/** Metrics as `TelemetryRecorder` counts them, with edges and decisions when `watch` is given. */
function counting(watch: RequestWatch | null): ExchangeRecorder {
  const scope = new RequestMetrics(new SeriesTable()).scope({
    direction: 'outbound',
    source: 'shop/web',
    destination: 'shop/orders',
    route: '',
    rule: '',
    port: '',
  });
  const edge = watch?.edges.edge({ direction: 'Outbound', peer: 'shop/orders', route: '', rule: '', tcp: false });
  const completed = terminationIndex('completed');
  return {
    begun: () => scope.start(),
    retried: () => {},
    ended: (exchange, code, detail) => {
      const { head, status, durationMs, requestBytes, responseBytes } = exchange;
      scope.finish(head.method, status, completed, false, durationMs, requestBytes, responseBytes);
      watch?.ended(exchange, code, detail, false, edge!);
    },
  };
}

async function openWay(recorder: ExchangeRecorder): Promise<Way> {
  const fixture = new PlaneFixture({ recorder });
  fixture.serveOrders([plainEndpoint(port)]);
  const listener = await fixture.listen();
  const sockets = await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      const socket = connect({ port: listener.port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return socket;
    }),
  );
  return { sockets };
}

/** Microseconds of processor a request. */
async function round({ sockets }: Way): Promise<number> {
  const before = process.cpuUsage();
  await Promise.all(sockets.map(call));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (CALLERS * EACH);
}

function call(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let left = EACH;
    const read = (chunk: Buffer): void => {
      if (!chunk.subarray(-2).equals(Buffer.from('ok'))) return;
      left -= 1;
      if (left > 0) socket.write(REQUEST);
      else {
        socket.removeListener('data', read);
        resolve();
      }
    };
    socket.on('data', read);
    socket.write(REQUEST);
  });
}
