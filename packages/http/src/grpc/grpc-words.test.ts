import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import test from 'node:test';
import { FieldId } from '../field-id.ts';
import { Head } from '../head.ts';
import { GrpcKind, grpcContentType, grpcKindOf, grpcKindOfType } from './grpc-kind.ts';
import { encodeGrpcMessage } from './grpc-message.ts';
import { readGrpcTimeoutMs, writeGrpcTimeout } from './grpc-timeout.ts';

test('a timeout is read in every unit, and nothing else is one', () => {
  const times: [string, number][] = [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['4m', 4],
    ['5000u', 5],
    ['6000000n', 6],
    ['0m', 0],
    ['99999999m', 99_999_999],
    ['99999999H', 1e14],
  ];
  for (const [text, ms] of times) assert.equal(readGrpcTimeoutMs(text), ms, text);
  for (const text of ['', 'S', '1', '1s', '123456789S', '-1S', '1.5S', ' 1S', '1S ', '1 S', '+1m', '1h']) {
    assert.equal(readGrpcTimeoutMs(text), -1, text);
  }
});

test('what is left is written in at most eight digits, and is never more than it was nor nothing', () => {
  for (const ms of [0, 1e-7, 0.5, 1, 1.0004, 99_999.9999, 100_000, 12_345_678.9, 1e8, 1e11, 1e13, 3.6e14, 1e15]) {
    const text = writeGrpcTimeout(ms);
    assert.match(text, /^[0-9]{1,8}[HMSmun]$/);
    const read = readGrpcTimeoutMs(text);
    assert.ok(read > 0, text);
    assert.ok(read <= ms || ms < 1e-3, `${ms} became ${text}`);
    assert.ok(ms < 1e-3 || ms > 1e14 || read >= ms * 0.99, `${ms} became ${text}`);
  }
});

test('a message is percent-encoded as the protocol has it, and a client reads it back', () => {
  assert.equal(encodeGrpcMessage('plain ~ text'), 'plain ~ text');
  assert.equal(encodeGrpcMessage('100 % grün\r\n'), '100 %25 gr%C3%BCn%0D%0A');
  assert.equal(decodeURIComponent(encodeGrpcMessage('☕ % \t')), '☕ % \t');
  assert.equal(encodeGrpcMessage('\ud800'), '%EF%BF%BD');
});

test('the content type says which gRPC it is, alone, with a suffix or with parameters, in any case', () => {
  const kinds: [string, GrpcKind][] = [
    ['application/grpc', GrpcKind.Grpc],
    ['application/grpc+proto', GrpcKind.Grpc],
    ['Application/GRPC;charset=utf-8', GrpcKind.Grpc],
    ['application/grpc-web', GrpcKind.Web],
    ['application/grpc-web+proto', GrpcKind.Web],
    ['application/grpc-web-text', GrpcKind.WebText],
    ['application/grpc-web-text+proto; a=b', GrpcKind.WebText],
    ['application/grpcx', GrpcKind.None],
    ['application/grpc-webx', GrpcKind.None],
    ['application/grpc-web-texts', GrpcKind.None],
    ['application/json', GrpcKind.None],
    ['', GrpcKind.None],
  ];
  for (const [text, kind] of kinds) {
    assert.equal(grpcKindOfType(text), kind, text);
    assert.equal(grpcKindOf(headWith(text)), kind, text);
  }
  assert.equal(grpcKindOf(new Head()), GrpcKind.None);
});

test('a content type is turned into that of another kind with its suffix kept', () => {
  assert.equal(grpcContentType(GrpcKind.Grpc, 'application/grpc-web-text+proto; x=y'), 'application/grpc+proto');
  assert.equal(grpcContentType(GrpcKind.WebText, 'application/grpc'), 'application/grpc-web-text');
  assert.equal(grpcContentType(GrpcKind.Web, 'application/grpc+json'), 'application/grpc-web+json');
  assert.equal(grpcContentType(GrpcKind.Grpc, 'application/grpc+\r\nx: y'), 'application/grpc');
});

function headWith(contentType: string): Head {
  const head = new Head();
  const bytes = Buffer.from(`content-type: ${contentType}`, 'latin1');
  head.reserveBytes(bytes.length);
  bytes.copy(head.bytes);
  head.length = bytes.length;
  head.push(FieldId.ContentType, 0, 12, 14, bytes.length);
  return head;
}
