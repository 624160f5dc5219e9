/**
 * A caller that knows of the mesh what `http_proxy` says: 100 calls a second to http://orders/, each of which counts. Prints what
 * it has seen so far, a line of JSON every 100 ms. Once there is a file `quiet` it calls no more: the sidecar of 0.2.0 goes before
 * the program that calls through it.
 */
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';

const proxy = new URL(process.env['http_proxy']!);
const agent = new Agent({ keepAlive: true, maxSockets: 16 });
const seen = {
  sent: 0,
  answered: 0,
  failed: 0,
  stage: '',
  names: {} as Record<string, number>,
  faults: [] as string[],
};

function call(): void {
  seen.sent += 1;
  const outgoing = request({
    agent,
    host: proxy.hostname,
    port: proxy.port,
    path: 'http://orders/',
    headers: { host: 'orders' },
  });
  outgoing.on('response', (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => void (body += part));
    response.on('end', () => {
      if (response.statusCode !== 200) {
        fail(`${response.statusCode} ${String(response.headers['weft-refused'] ?? '')}`);
        return;
      }
      seen.answered += 1;
      seen.stage = String(response.headers['x-stage'] ?? '');
      seen.names[body] = (seen.names[body] ?? 0) + 1;
    });
    response.on('error', (error) => fail(error.message));
  });
  outgoing.on('error', (error) => fail(error.message));
  outgoing.end();
}

function fail(fault: string): void {
  seen.failed += 1;
  if (seen.faults.length < 5) seen.faults.push(fault);
}

const calls = setInterval(call, 10);
setInterval(() => {
  if (existsSync('quiet')) clearInterval(calls);
  console.log(JSON.stringify(seen));
}, 100);
