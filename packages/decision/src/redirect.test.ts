import assert from 'node:assert/strict';
import test from 'node:test';
import type { Redirect } from '@weft/model';
import { compileMatchTable } from '@weft/routing';
import { redirectLocation } from './redirect.ts';
import { ruleFixture } from './rule-fixture.ts';

const matches = [
  { path: { type: 'PathPrefix' as const, value: '/old' }, method: '', headers: [], queries: [], grpc: null },
];
const compiled = compileMatchTable([ruleFixture({ matches })]);
assert.ok(compiled.ok);
const entry = compiled.value.entries[0]!;

test('the location follows the rules of HTTPRequestRedirectFilter for scheme, host, port and path', () => {
  const base: Redirect = { scheme: '', hostname: '', path: null, port: 0, statusCode: 302 };
  // Redirect, scheme and port of the listener, authority, target; location.
  const rows: [Partial<Redirect>, 'http' | 'https', number, string, string, string][] = [
    [{}, 'http', 80, 'a.example', '/old/x', 'http://a.example/old/x'],
    [{}, 'http', 8080, 'a.example', '/old', 'http://a.example:8080/old'],
    [{}, 'https', 443, 'a.example', '/old', 'https://a.example/old'],
    [{}, 'https', 8443, 'a.example', '/old', 'https://a.example:8443/old'],
    [{}, 'http', 80, 'a.example:30080', '/old', 'http://a.example/old'],
    [{ scheme: 'https' }, 'http', 80, 'a.example', '/old', 'https://a.example/old'],
    [{ scheme: 'https' }, 'http', 8080, 'a.example', '/old', 'https://a.example/old'],
    [{ scheme: 'http' }, 'https', 8443, 'a.example', '/old', 'http://a.example/old'],
    [{ scheme: 'https', port: 8443 }, 'http', 80, 'a.example', '/old', 'https://a.example:8443/old'],
    [{ scheme: 'https', port: 443 }, 'http', 80, 'a.example', '/old', 'https://a.example/old'],
    [{ scheme: 'http', port: 443 }, 'http', 80, 'a.example', '/old', 'http://a.example:443/old'],
    [{ port: 80 }, 'http', 8080, 'a.example', '/old', 'http://a.example/old'],
    [{ port: 8083 }, 'http', 80, 'a.example', '/old', 'http://a.example:8083/old'],
    [{ hostname: 'b.example' }, 'http', 80, 'a.example:80', '/old', 'http://b.example/old'],
    [{ hostname: 'b.example' }, 'http', 8080, 'a.example', '/old', 'http://b.example:8080/old'],
    [{}, 'http', 80, '[::1]:80', '/old', 'http://[::1]/old'],
    [{}, 'http', 80, 'a.example', '/old?q=1&r', 'http://a.example/old?q=1&r'],
    [
      { path: { type: 'ReplaceFullPath', value: '/new' } },
      'http',
      80,
      'a.example',
      '/old/x?q=1',
      'http://a.example/new?q=1',
    ],
    [
      { path: { type: 'ReplacePrefixMatch', value: '/new' } },
      'http',
      80,
      'a.example',
      '/old/x',
      'http://a.example/new/x',
    ],
    [{ path: { type: 'ReplacePrefixMatch', value: '/' } }, 'http', 80, 'a.example', '/old/x', 'http://a.example/x'],
    [{}, 'http', 80, '', '/old', '/old'],
  ];
  for (const [redirect, scheme, port, authority, target, expected] of rows) {
    const [path = '', query = ''] = target.split('?');
    const view = { method: 'GET', authority, path, query, valueOf: () => undefined };
    assert.equal(redirectLocation({ ...base, ...redirect }, view, entry, { scheme, port }), expected, expected);
  }
});
