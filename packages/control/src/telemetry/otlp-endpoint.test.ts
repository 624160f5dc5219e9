import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOtlpEndpoint } from './otlp-endpoint.ts';

test('a collector is named by a URL, or as sidecars name theirs; ports may be left out', () => {
  const read = (text: string): unknown => {
    const endpoint = readOtlpEndpoint(text);
    return endpoint.ok ? `${endpoint.value.protocol} ${endpoint.value.url}` : endpoint.error;
  };
  assert.equal(read('http://collector:4318'), 'http http://collector:4318');
  assert.equal(read('https://collector/otlp/'), 'http https://collector:4318/otlp');
  assert.equal(read('otlp-http://[::1]:5000'), 'http http://[::1]:5000');
  assert.equal(read('otlp-grpc://collector'), 'grpc http://collector:4317');
  assert.equal(read('otlp-grpc+tls://collector:443'), 'grpc https://collector:443');
  assert.match(String(read('otlp-grpc://collector/v1')), /no path/);
  for (const wrong of ['', 'collector:4318', 'http+tls://collector', 'http://user@collector', 'ftp://collector']) {
    assert.match(String(read(wrong)), /^http:\/\/HOST:4318/, wrong);
  }
});
