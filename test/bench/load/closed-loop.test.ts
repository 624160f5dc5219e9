import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readH2loadReport, readWrkReport } from './closed-loop.ts';
import { ReplyReader } from './reply-reader.ts';

const clean = `Running 2s test @ http://127.0.0.1:9999/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   412.06us  118.81us   3.59ms   91.35%
    Req/Sec    77.80k     4.07k   83.15k    85.00%
  154837 requests in 2.01s, 32.04MB read
Requests/sec:  77031.05
Transfer/sec:     15.94MB
`;

test('a clean report of wrk has no errors', () => {
  assert.deepEqual(readWrkReport(clean), { completed: 154_837, errors: 0, seconds: 2.01 });
});

test('socket errors, time-outs and other statuses are all errors', () => {
  const dirty = clean.replace(
    'Requests/sec',
    '  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 50\nRequests/sec',
  );
  assert.equal(readWrkReport(dirty).errors, 60);
});

test('what is no report is an error with its last line', () => {
  assert.throws(() => readWrkReport('unable to connect to 127.0.0.1:1 Connection refused\n'), /unable to connect/);
});

test('a reply ends with its last byte, however it is cut', () => {
  const replies = [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n',
  ];
  for (const reply of replies) {
    for (let cut = 1; cut < reply.length; cut += 1) {
      const reader = new ReplyReader();
      assert.equal(reader.feed(Buffer.from(reply.slice(0, cut))), false, reply.slice(0, cut));
      assert.equal(reader.feed(Buffer.from(reply.slice(cut))), true);
      assert.equal(reader.status, Number(reply.slice(9, 12)));
    }
  }
});

test('of a report of h2load the answers and the failures are read', () => {
  const report = (failed: number, good: number): string =>
    `finished in 5.00s, 24690.20 req/s, 1.2MB/s\nrequests: 123451 total, 123579 started, 123451 done, ${good} succeeded, ${failed} failed, 0 errored, 0 timeout\nstatus codes: ${good} 2xx, 0 3xx, 0 4xx, 0 5xx\n`;
  assert.deepEqual(readH2loadReport(report(0, 123_451), 5), { completed: 123_451, errors: 0, seconds: 5 });
  assert.equal(readH2loadReport(report(3, 123_448), 5).errors, 3);
  assert.throws(() => readH2loadReport('could not connect', 5), /could not connect/);
});
