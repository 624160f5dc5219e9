import { equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { terminations } from '@weft/outcome';
import { AccessLog, isLogged } from './access-log.ts';
import type { AccessLogFacts } from './access-log-facts.ts';
import { isFailure } from './request-failure.ts';

const { completed } = terminations;

describe('isFailure', () => {
  test('an answer of the application is none, whatever it says, unless it owns to a fault', () => {
    equal(isFailure(200, -1, completed), false);
    equal(isFailure(404, -1, completed), false);
    equal(isFailure(500, -1, completed), true);
    // OK, CANCELLED, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAUTHENTICATED
    for (const answer of [0, 1, 3, 5, 7, 8, 16]) equal(isFailure(200, answer, completed), false, `${answer}`);
    for (const fault of [2, 4, 12, 13, 14, 15]) equal(isFailure(200, fault, completed), true, `${fault}`);
  });

  test('what a caller broke is its own', () => {
    equal(isFailure(0, -1, terminations['downstream-reset']), false);
    equal(isFailure(503, -1, terminations['connect-refused']), true);
    equal(isFailure(0, -1, terminations['upstream-cut']), true);
  });

  test('lines of all formats say of a gRPC call what the metrics say', () => {
    for (let grpcStatus = -1; grpcStatus <= 17; grpcStatus += 1) {
      const failed = isFailure(200, grpcStatus, completed);
      equal(isLogged('Errors', 200, grpcStatus, completed), failed, `when: Errors, status ${grpcStatus}`);
      const line = JSON.parse(new AccessLog({ format: 'Ecs' }).write({ ...facts, grpcStatus })) as Record<
        string,
        unknown
      >;
      equal(line['event.outcome'], failed ? 'failure' : 'success', `event.outcome, status ${grpcStatus}`);
    }
  });
});

const facts: AccessLogFacts = {
  startWallMs: 0,
  requestId: '',
  traceId: '',
  direction: 'outbound',
  protocol: 'http2',
  source: '',
  destination: 'shop/orders',
  method: 'POST',
  authority: 'orders',
  target: '/shop.Orders/Get',
  status: 200,
  grpcStatus: 0,
  termination: completed,
  flags: 0,
  requestBytes: 0,
  responseBytes: 0,
  durationMs: 1,
  upstreamMs: -1,
  connectMs: -1,
  attempts: 1,
  upstreamAddress: '',
  downstreamAddress: '',
  configVersion: '',
  route: '',
  rule: '',
};
