import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import { kubeconfigAccess } from './kubeconfig.ts';

function folderOf(t: TestContext): (name: string, text: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-kubeconfig-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
}

const work = `
clusters:
- {name: work, cluster: {server: "https://work.example:6443/k8s/one/", certificate-authority: ca.pem}}
users:
- {name: me, user: {token: abc}}
contexts:
- {name: work, context: {cluster: work, user: me, namespace: shop}}
current-context: work
`;

const home = `
clusters:
- {name: home, cluster: {server: "https://home.example", tls-server-name: api.home, insecure-skip-tls-verify: true}}
users:
- {name: me, user: {token: another}}
contexts:
- {name: home, context: {cluster: home, user: me}}
current-context: home
`;

test('the current context says server, path, authority, token and namespace', (t) => {
  const file = folderOf(t);
  file('ca.pem', 'PEM');
  const read = kubeconfigAccess(file('config', work), new FakeClock(), '', process.env);
  assert.ok(read.ok);
  const { server, prefix, ca, token, namespace, description } = read.value;
  assert.deepEqual(
    { server, prefix, ca, token: token(), namespace, description },
    {
      server: 'https://work.example:6443',
      prefix: '/k8s/one',
      ca: 'PEM',
      token: 'abc',
      namespace: 'shop',
      description: 'the cluster at https://work.example:6443/k8s/one',
    },
  );
});

test('of several files the first that says something wins, and those that are not there are left out', (t) => {
  const file = folderOf(t);
  file('ca.pem', 'PEM');
  const both = `/nowhere/config:${file('home', home)}:${file('work', work)}`;
  const current = kubeconfigAccess(both, new FakeClock(), '', process.env);
  assert.ok(current.ok);
  assert.equal(current.value.server, 'https://home.example');
  assert.equal(current.value.serverName, 'api.home');
  assert.equal(current.value.skipVerify, true);
  const other = kubeconfigAccess(both, new FakeClock(), 'work');
  assert.ok(other.ok);
  assert.equal(other.value.server, 'https://work.example:6443');
  assert.equal(other.value.token(), 'another');
});

test('a context that is not there is a fault that names those there are', (t) => {
  const file = folderOf(t);
  const read = kubeconfigAccess(file('home', home), new FakeClock(), 'wrok');
  assert.match(read.ok ? '' : read.error, /has no context "wrok"; there are home/);
});

function withProgram(t: TestContext, script: string, more = ''): string {
  const file = folderOf(t);
  const program = file('give-token', `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o700);
  return file(
    'config',
    home.replace(
      '{token: another}',
      `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./give-token${more}}}`,
    ),
  );
}

test('a credential program gives the token, and is asked again before it ends', (t) => {
  const clock = new FakeClock();
  const end = new Date(clock.wallMs() + 600_000).toISOString();
  const config = withProgram(
    t,
    `n=$(cat "$0.n" 2>/dev/null || echo 0); n=$((n+1)); echo $n > "$0.n"
     echo "{\\"status\\":{\\"token\\":\\"t$n-$WHO\\",\\"expirationTimestamp\\":\\"${end}\\"}}"`,
    ', env: [{name: WHO, value: me}]',
  );
  const read = kubeconfigAccess(config, clock, '', process.env);
  assert.ok(read.ok);
  assert.equal(read.value.token(), 't1-me');
  assert.equal(read.value.token(), 't1-me');
  clock.advance(580_000);
  assert.equal(read.value.token(), 't2-me');
});

test('a credential program is told of the cluster when it asks for it, and may give a certificate', (t) => {
  const config = withProgram(
    t,
    `case "$KUBERNETES_EXEC_INFO" in *home.example*) ;; *) exit 3;; esac
     echo '{"status":{"clientCertificateData":"CERT","clientKeyData":"KEY"}}'`,
    ', provideClusterInfo: true',
  );
  const read = kubeconfigAccess(config, new FakeClock(), '', process.env);
  assert.ok(read.ok);
  assert.equal(read.value.certificate, 'CERT');
  assert.equal(read.value.key, 'KEY');
  assert.equal(read.value.token(), '');
});

test('a credential program that fails, or says nothing, is one line', (t) => {
  for (const [script, expected] of [
    ['exit 7', /give-token ended with 7/],
    ['echo hello', /wrote no JSON/],
    ["echo '{}'", /neither a token nor a certificate/],
  ] as const) {
    const read = kubeconfigAccess(withProgram(t, script), new FakeClock(), '', process.env);
    assert.match(read.ok ? '' : read.error, expected);
  }
});
