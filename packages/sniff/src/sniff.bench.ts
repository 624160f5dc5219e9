/** What sniffing costs a new connection, in nanoseconds: `node packages/sniff/src/sniff.bench.ts`. Best and median of 15 rounds. */
import { Buffer } from 'node:buffer';
import { systemClock } from '@weft/kernel';
import { ClientHelloReader } from './client-hello.ts';
import { sniffFirstBytes } from './first-bytes.ts';
import { captureHello } from './fixture/captured-hello.ts';
import { readProxyHeader } from './proxy-protocol.ts';

const ROUNDS = 15;
const CALLS = 20_000;

// What is computed ends up here, so that no call can be optimised away.
let kept = 0;

function measure(name: string, run: (calls: number) => number): void {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = systemClock.nowMs();
    kept += run(CALLS);
    rounds.push(((systemClock.nowMs() - start) * 1e6) / CALLS);
  }
  rounds.sort((left, right) => left - right);
  const [best, median] = [rounds[0]!, rounds[ROUNDS >> 1]!];
  console.log(`${name.padEnd(52)} ${best.toFixed(1).padStart(9)} ns best ${median.toFixed(1).padStart(9)} ns median`);
}

const hello = await captureHello({ servername: 'orders.shop.svc', ALPNProtocols: ['weft-h2'] });
const request = Buffer.from('GET /api/orders HTTP/1.1\r\nhost: orders\r\n\r\n');
const proxy = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201c6336407c35001bb', 'hex');

measure('sniffFirstBytes, HTTP/1.1', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += sniffFirstBytes(request, 0, request.length).length;
  return sum;
});
measure('sniffFirstBytes, TLS', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += sniffFirstBytes(hello, 0, hello.length).length;
  return sum;
});
measure(`ClientHelloReader, ${hello.length} bytes`, (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) {
    const reader = new ClientHelloReader();
    if (reader.feed(hello, 0, hello.length) === 'done') sum += reader.hello!.alpn.length;
  }
  return sum;
});
measure('readProxyHeader, IPv4', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += readProxyHeader(proxy, 0, proxy.length).kind.length;
  return sum;
});
console.log(`(${kept})`);
