import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { terminations } from '@weft/outcome';
import type { AccessLogFacts } from './access-log-facts.ts';
import { AccessLog, accessFlags, isLogged, redactQuery } from './access-log.ts';

const facts: AccessLogFacts = {
  startWallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 67),
  requestId: 'r-1',
  traceId: 't-1',
  direction: 'outbound',
  protocol: 'http2',
  source: 'spiffe://cluster.local/ns/shop/sa/cart',
  destination: 'shop/orders',
  method: 'GET',
  authority: 'orders',
  target: '/a/b?token=secret',
  status: 200,
  grpcStatus: -1,
  termination: terminations.completed,
  flags: accessFlags.mtls | accessFlags.retried,
  requestBytes: 0,
  responseBytes: 67,
  durationMs: 1.23456,
  upstreamMs: 1.1,
  connectMs: -1,
  attempts: 2,
  upstreamAddress: '127.0.0.1:8080',
  downstreamAddress: '',
  configVersion: '0123abcd',
  route: 'shop/orders',
  rule: '0',
};

describe('AccessLog', () => {
  test('writes one JSON object a line with what is known and nothing else', () => {
    const line = new AccessLog().write(facts);
    equal(line.indexOf('\n'), line.length - 1);
    deepEqual(JSON.parse(line), {
      time: '2026-01-02T03:04:05.067Z',
      level: 'debug',
      direction: 'outbound',
      protocol: 'http/2',
      method: 'GET',
      authority: 'orders',
      path: '/a/b?redacted',
      status: 200,
      termination: 'completed',
      flags: ['mtls', 'retried'],
      durationMs: 1.235,
      upstreamMs: 1.1,
      attempts: 2,
      requestBytes: 0,
      responseBytes: 67,
      source: 'spiffe://cluster.local/ns/shop/sa/cart',
      destination: 'shop/orders',
      route: 'shop/orders',
      rule: '0',
      upstreamAddress: '127.0.0.1:8080',
      requestId: 'r-1',
      traceId: 't-1',
      configVersion: '0123abcd',
    });
  });

  test('whatever a caller sends, a line stays one line of JSON that no terminal obeys', () => {
    const log = new AccessLog({ query: 'Keep' });
    for (let code = 0; code < 0x300; code += 1) {
      const target = `/${String.fromCharCode(code)}?"\\`;
      const line = log.write({ ...facts, target });
      equal((JSON.parse(line) as { path: string }).path, target);
      ok(!/[\u0000-\u001f\u007f-\u009f]/.test(line.slice(0, -1)), `code ${code}`);
    }
    const odd = log.write({ ...facts, method: 'A"B', authority: '\ud800\u2028', target: '/' });
    equal((JSON.parse(odd) as { authority: string }).authority, '\ud800\u2028');
    ok(!odd.includes('\u2028'));
  });

  test('the longest line fits into what runtimes of containers and shippers take whole', () => {
    const rubbish = '\u001b'.repeat(100_000);
    for (const format of ['Json', 'Ecs', 'Otel'] as const) {
      for (const [query, limit] of [
        ['Redact', 16_384],
        ['Keep', 24_576],
      ] as const) {
        const target = `/${rubbish}?${rubbish}`;
        const line = new AccessLog({ format, query }).write({ ...facts, target, authority: rubbish });
        ok(Buffer.byteLength(line) < limit, `${format} ${query}: ${Buffer.byteLength(line)}`);
      }
    }
  });

  test('what is written once and found again is never that of another request', () => {
    const log = new AccessLog();
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 1_000; index += 1) {
        const said = {
          source: index % 2 === 0 ? '' : `s${index % 7}"`,
          destination: `d${index % 11}`,
          route: `r${index % 13}`,
          rule: `${index % 3}`,
          upstreamAddress: `127.0.0.1:${index}`,
          configVersion: `v${round}`,
        };
        const parsed = JSON.parse(log.write({ ...facts, ...said })) as Record<string, unknown>;
        for (const [name, value] of Object.entries(said)) equal(parsed[name] ?? '', value);
      }
    }
  });

  test('a caller that was sent no status has none in its line', () => {
    const parsed = JSON.parse(new AccessLog().write({ ...facts, status: 0, grpcStatus: 0 })) as object;
    equal('status' in parsed, false);
    equal('grpcStatus' in parsed, true);
  });

  test('an odd duration is still JSON', () => {
    const parsed = JSON.parse(
      new AccessLog().write({ ...facts, durationMs: Number.NaN, upstreamMs: Infinity }),
    ) as object;
    deepEqual({ ...parsed, durationMs: 0, upstreamMs: 0 }, parsed);
  });

  test('a line is bounded by what the proxy bounds, not by the length of a path', () => {
    const line = new AccessLog().write({ ...facts, target: `/${'a'.repeat(100_000)}`, authority: 'b'.repeat(100_000) });
    ok(line.length < 3_000);
    ok((JSON.parse(line) as { path: string }).path.endsWith('a...'));
  });

  test('times keep their order across seconds and before 1970', () => {
    const log = new AccessLog();
    const time = (startWallMs: number): string =>
      (JSON.parse(log.write({ ...facts, startWallMs })) as { time: string }).time;
    for (const ms of [0, 999, 1_000, 1_000.9, 59_999, 1, -1, 1_700_000_000_123]) {
      equal(time(ms), new Date(Math.floor(ms)).toISOString());
    }
  });

  test('every combination of flags is written in order', () => {
    const log = new AccessLog();
    const names = Object.keys(accessFlags);
    for (let flags = 1; flags < 256; flags += 1) {
      const parsed = JSON.parse(log.write({ ...facts, flags })) as { flags: string[] };
      deepEqual(
        parsed.flags,
        names.filter((_, bit) => (flags & (1 << bit)) !== 0),
      );
    }
  });
});

describe('isLogged', () => {
  test('an error is a fault of somebody, not an answer of the application', () => {
    equal(isLogged('Never', 503, -1, terminations['connect-refused']), false);
    equal(isLogged('Always', 200, -1, terminations.completed), true);
    equal(isLogged('Errors', 200, -1, terminations.completed), false);
    equal(isLogged('Errors', 404, -1, terminations.completed), false);
    equal(isLogged('Errors', 500, -1, terminations.completed), true);
    equal(isLogged('Errors', 200, 14, terminations.completed), true);
    equal(isLogged('Errors', 404, -1, terminations['no-route']), true);
    equal(isLogged('Errors', 0, -1, terminations['downstream-reset']), true);
  });
});

describe('redactQuery', () => {
  test('hides all of a query and nothing of a path', () => {
    equal(redactQuery('/a?b=c?d'), '/a?redacted');
    equal(redactQuery('/a'), '/a');
    equal(redactQuery('/a?'), '/a?');
  });
});
