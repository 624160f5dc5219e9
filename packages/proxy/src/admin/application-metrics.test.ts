import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { doorAt } from '../transport/application-door.ts';
import { mergeMetrics, readApplicationMetrics } from './application-metrics.ts';

it("a scrape has the application's metrics behind ours, each family once, and ours when the application is away", async () => {
  let status = 200;
  const server = createServer((request, response) => {
    assert.match(request.headers.accept ?? '', /^text\/plain/);
    response.writeHead(status);
    response.end('orders_total 3\nprocess_cpu_seconds_total 9\n# EOF');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ours = [
    '# TYPE weft_up gauge\nweft_up 1\n',
    '# HELP process_cpu_seconds_total CPU.\nprocess_cpu_seconds_total 1\n',
  ];
  const merged = async (): Promise<string> =>
    [...mergeMetrics(ours, await readApplicationMetrics(doorAt('127.0.0.1', port), '/metrics'))].join('');
  const up = (value: number): string =>
    `# HELP weft_application_metrics_up Whether the metrics of the application could be read.\n# TYPE weft_application_metrics_up gauge\nweft_application_metrics_up ${value}\n`;
  const own = '# TYPE weft_up gauge\nweft_up 1\n';
  assert.equal(await merged(), `${own}${up(1)}orders_total 3\nprocess_cpu_seconds_total 9\n`);
  status = 500;
  assert.equal(await merged(), `${own}${up(0)}`);
  server.close();
  server.closeAllConnections();
  assert.equal(await merged(), `${own}${up(0)}`);
});
