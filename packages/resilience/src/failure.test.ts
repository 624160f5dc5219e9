import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminationCodes } from '@weft/outcome';
import { type HeadVerdict, NO_GRPC_STATUS, isEndpointFailure, judgeHead } from './failure.ts';

test('502, 503 and 504 are failures, 500 is not, and 4xx or an Upgrade measure nothing', () => {
  const rows: readonly (readonly [number, HeadVerdict])[] = [
    [101, 'alive'],
    [200, 'success'],
    [304, 'success'],
    [400, 'alive'],
    [429, 'alive'],
    [499, 'alive'],
    [500, 'success'],
    [501, 'success'],
    [502, 'failure'],
    [503, 'failure'],
    [504, 'failure'],
    [505, 'success'],
  ];
  for (const [status, verdict] of rows) assert.equal(judgeHead(status, NO_GRPC_STATUS, ''), verdict, `${status}`);
});

test('of gRPC statuses only UNAVAILABLE is a failure', () => {
  for (let grpcStatus = 0; grpcStatus <= 16; grpcStatus += 1) {
    assert.equal(judgeHead(200, grpcStatus, ''), grpcStatus === 14 ? 'failure' : 'success');
  }
});

test('a refusal of the peer sidecar is judged by its reason, not by its status', () => {
  assert.equal(judgeHead(503, NO_GRPC_STATUS, 'connect-refused'), 'failure');
  assert.equal(judgeHead(502, NO_GRPC_STATUS, 'upstream-reset'), 'failure');
  assert.equal(judgeHead(503, NO_GRPC_STATUS, 'request-limit'), 'overloaded');
  assert.equal(judgeHead(503, NO_GRPC_STATUS, 'draining'), 'overloaded');
  assert.equal(judgeHead(403, NO_GRPC_STATUS, 'denied'), 'nothing');
  assert.equal(judgeHead(404, NO_GRPC_STATUS, 'no-route'), 'nothing');
});

test('endings before the head that count against an endpoint: connect, TLS, reset, timeout', () => {
  assert.deepEqual(terminationCodes.filter(isEndpointFailure), [
    'request-timeout',
    'stream-idle-timeout',
    'connect-refused',
    'connect-timeout',
    'tls-failed',
    'upstream-identity-refused',
    'upstream-reset',
    'try-timeout',
    'malformed-response',
    'protocol-mismatch',
    'gateway-error',
    'upstream-cut',
    'malformed-response-body',
  ]);
});
