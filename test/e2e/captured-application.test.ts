/**
 * What a captured pod's application may be, without a cluster: one pod of both families, rules of the kernel, a real sidecar, and an
 * application whose ports listen on all addresses, on those of the pod, or on loopback alone. The kubelet is whoever calls from outside.
 */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createServerRoot, issueServerCertificate } from '@weft/identity';
import { NamespacePrograms, familyLack, ip, namespaceLack } from './namespace-programs.ts';

const weftBin = fileURLToPath(new URL('../../packages/cli/bin/weft.cjs', import.meta.url));
const SIDECAR = 15_001;
const APPLICATION = 1_000;
const LISTENS = 'the application listens';
const SERVICE = '10.99.1.5';
const pod = { namespace: `weft-app-pod-${process.pid}`, 4: '10.78.3.2', 6: 'fd78:3::2' } as const;
const outside = { namespace: `weft-app-out-${process.pid}`, 4: '10.78.3.1', 6: 'fd78:3::1' } as const;

const mesh = `
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: shop }
spec: { clusterIP: ${SERVICE}, selector: { app: shop }, ports: [{ port: 80, targetPort: 8081, appProtocol: http }] }
---
apiVersion: weft.dev/v1alpha1
kind: WorkloadEntry
metadata: { name: shop, namespace: shop }
spec: { address: ${pod[4]}, labels: { app: shop }, serviceAccount: shop }
---
apiVersion: weft.dev/v1alpha1
kind: Mesh
metadata: { name: default }
spec: { defaults: { authentication: { mtls: { mode: Permissive } } } }
`;

/** Each port says its name, who called and as whom. */
const application = `
let closed = 8;
const listening = () => (closed -= 1) === 0 && console.log('${LISTENS}');
const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const listen = (port, host) => createServer((q, r) => {
  if (q.url.startsWith('/status/')) r.writeHead(Number(q.url.slice(8)));
  r.end(q.url === '/metrics' ? 'orders_total 7\\n' : [port, q.socket.remoteAddress, q.headers['weft-client-identity'] ?? 'nobody', q.url, q.headers['x-probe'] ?? ''].join(' '));
}).listen(port, host, listening);
listen(8080, '::');
listen(8081, '${pod[4]}');
listen(8082, '127.0.0.1');
listen(8083, '${pod[6]}');
listen(8084, '::1');
// A probe leaves once it is connected, which may reset what is being sent to it.
require('node:net').createServer((s) => s.on('error', () => {}).end('bytes ' + s.remoteAddress + '\\n')).listen(9090, '${pod[4]}', listening);
const tls = { key: readFileSync(process.env.KEY), cert: readFileSync(process.env.CERT) };
require('node:https').createServer(tls, (q, r) => r.end('secure')).listen(8443, '${pod[4]}', listening);
const grpc = require('node:http2').createServer();
grpc.on('stream', (stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.resume();
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
});
grpc.listen(9191, '${pod[4]}', listening);
`;

const http = { type: 'http', scheme: 'http', headers: [['x-probe', 'yes']], timeoutMs: 10_000 };
const probes = {
  '/app-health/web/livez': { ...http, port: 8081, path: '/live' },
  '/app-health/web/readyz': { ...http, port: 8081, path: '/status/503' },
  '/app-health/web/startupz': { ...http, port: 8082, path: '/' },
  '/app-health/web/poststart': { ...http, port: 8083, path: '/started' },
  '/app-health/secure/livez': { ...http, scheme: 'https', port: 8443, path: '/' },
  '/app-health/grpc/livez': { type: 'grpc', port: 9191, service: 'shop.Cart', timeoutMs: 10_000 },
  '/app-health/tcp/livez': { type: 'tcp', port: 9090, timeoutMs: 10_000 },
  '/app-health/tcp/readyz': { type: 'tcp', port: 7070, timeoutMs: 10_000 },
};

describe('the application of a captured pod', { skip: namespaceLack || familyLack }, () => {
  const programs = new NamespacePrograms('application');
  const { folder } = programs;

  const curl = (from: { namespace: string }, ...args: readonly string[]): string =>
    programs.run(from.namespace, APPLICATION, 'curl', '-sS', '--noproxy', '*', '--max-time', '20', ...args);

  const metric = (text: string): number => {
    const lines = curl(outside, `http://${pod[4]}:15020/metrics`).split('\n');
    return lines.filter((line) => line.includes(text)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };

  before(async () => {
    for (const { namespace } of [pod, outside]) ip('netns', 'add', namespace);
    ip('-n', pod.namespace, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside.namespace);
    for (const end of [pod, outside]) {
      ip('-n', end.namespace, 'addr', 'add', `${end[4]}/24`, 'dev', 'eth0');
      ip('-n', end.namespace, 'addr', 'add', `${end[6]}/64`, 'dev', 'eth0', 'nodad');
      for (const link of ['lo', 'eth0']) ip('-n', end.namespace, 'link', 'set', link, 'up');
    }
    ip('-n', pod.namespace, 'route', 'add', 'default', 'via', outside[4]);
    ip('-n', pod.namespace, '-6', 'route', 'add', 'default', 'via', outside[6]);

    const root = await createServerRoot(3_600_000, Date.now());
    const issued = await issueServerCertificate(root, ['shop.example'], 1_800_000, Date.now());
    assert.ok(issued.ok);
    const key = join(folder, 'tls.key');
    const certificate = join(folder, 'tls.crt');
    writeFileSync(key, issued.value.keyPem, { mode: 0o644 });
    writeFileSync(certificate, issued.value.certificatePem);
    mkdirSync(join(folder, 'mesh'));
    writeFileSync(join(folder, 'mesh', 'mesh.yaml'), mesh);
    chmodSync(folder, 0o711);
    mkdirSync(join(folder, 'sidecar'));
    chownSync(join(folder, 'sidecar'), SIDECAR, SIDECAR);

    const socket = join(folder, 'control.sock');
    const state = ['--config', join(folder, 'mesh'), '--state', join(folder, 'control'), '--admin-socket', socket];
    const where = ['--host', '0.0.0.0', '--port', '15012', '--advertised-host', outside[4], '--metrics-port', '-1'];
    programs.start(outside.namespace, 0, [weftBin, 'control', ...state, ...where]);
    await programs.until('no control plane', () => existsSync(socket));
    const words = 'capture apply --prove --inbound=all --outbound=all --exclude-inbound-ports=15020';
    assert.match(programs.run(pod.namespace, 0, process.execPath, weftBin, ...words.split(' ')), /IPv4[^]*IPv6 leaves/);
    const tokenWords = `token create --admin-socket ${socket} --namespace shop --service shop`;
    const token = programs.run(outside.namespace, 0, process.execPath, weftBin, ...tokenWords.split(' '));
    programs.start(pod.namespace, APPLICATION, ['-e', application], { KEY: key, CERT: certificate });
    const place = `--mesh-host ${pod[4]} --metrics-host ${pod[4]} --state ${join(folder, 'sidecar')}`;
    const ports =
      '--port http=8080 --port http-a=8081 --port http-b=8082 --port http-c=8083 --port http-d=8084 --port 9090';
    const flags = `--namespace shop --name shop --label app=shop --capture redirect --control ${outside[4]}:15012`;
    programs.start(pod.namespace, SIDECAR, [weftBin, 'proxy', ...`${flags} ${place} ${ports}`.split(' ')], {
      WEFT_TOKEN: token.trim(),
      WEFT_APP_PROBES: JSON.stringify(probes),
      WEFT_APP_METRICS: '8081/metrics',
    });
    await programs.until('not ready', () => curl(outside, `http://${pod[4]}:15020/ready`) === 'ready\n');
    await programs.until('the application does not listen', () => programs.output.includes(LISTENS));
  });

  after(() => programs.end([pod, outside].map(({ namespace }) => namespace)));

  it('is reached by its pod on all addresses, on that of its pod and on loopback, in both families', () => {
    const from = '(?:::ffff:)?127\\.0\\.0\\.6|::1';
    for (let round = 0; round < 2; round += 1) {
      for (const host of [pod[4], `[${pod[6]}]`]) {
        assert.match(
          curl(outside, `http://${host}:8080/a`),
          new RegExp(`^8080 (?:${from}) nobody /a`),
          programs.output,
        );
        // A port is one place, whichever address of the pod a caller has dialled.
        assert.match(curl(outside, `http://${host}:8081/b`), /^8081 127\.0\.0\.6 nobody \/b/, programs.output);
        assert.match(curl(outside, `http://${host}:8082/c`), /^8082 127\.0\.0\.1 nobody \/c/, programs.output);
        assert.match(curl(outside, `http://${host}:8084/e`), /^8084 ::1 nobody \/e/, programs.output);
      }
      assert.match(curl(outside, `http://[${pod[6]}]:8083/d`), /^8083 ::1 nobody \/d/, programs.output);
      assert.match(curl(outside, `http://${pod[4]}:8083/d`), /^8083 ::1 nobody \/d/, programs.output);
    }
    assert.equal(curl(outside, `telnet://${pod[4]}:9090`), 'bytes 127.0.0.6\n', programs.output);
  });

  it('reaches itself through the mesh once and no more, with its own identity', () => {
    for (let count = 0; count < 3; count += 1) {
      const answer = curl(pod, `http://${SERVICE}/self`);
      assert.match(answer, /^8081 127\.0\.0\.6 spiffe:\/\/cluster\.local\/ns\/shop\/sa\/shop \/self/, programs.output);
    }
    // Past the mesh, what a pod sends to itself never leaves it.
    assert.match(curl(pod, `http://${pod[4]}:8081/direct`), new RegExp(`^8081 ${pod[4]} nobody`));
    assert.equal(metric('loop-detected'), 0);
  });

  it('answers probes of every kind and hooks, wherever it listens', () => {
    const asked = (path: string): string =>
      curl(outside, '-w', ' %{http_code}', `http://${pod[4]}:15020/app-health/${path}`).replace('\n', '');
    for (const path of ['web/livez', 'web/startupz', 'web/poststart', 'secure/livez', 'grpc/livez', 'tcp/livez']) {
      assert.equal(asked(path), 'ok 200', path);
    }
    assert.equal(asked('web/readyz'), 'the application answered 503 503');
    assert.equal(asked('tcp/readyz'), 'the application cannot be reached (ECONNREFUSED) 502');
    assert.equal(asked('web/other'), 'there is no such probe 404');
  });

  it('has its metrics behind those of its sidecar', () => {
    const text = curl(outside, `http://${pod[4]}:15020/metrics`);
    assert.match(text, /^weft_application_metrics_up 1\norders_total 7$/m);
    assert.match(text, /^weft_requests_total/m);
  });

  it('is handed nothing twice by rules of another release, which know of no source address', () => {
    const held = programs.run(pod.namespace, 0, 'nft', 'list', 'table', 'inet', 'weft');
    const older = held.replaceAll(/ip6? saddr != \S+ (?=ip6? daddr)/g, '');
    assert.notEqual(older, held);
    const write = (text: string): void => {
      const file = join(folder, 'rules.nft');
      writeFileSync(file, `delete table inet weft\n${text}`);
      assert.equal(programs.run(pod.namespace, 0, 'nft', '-f', file), '');
    };
    write(older);
    // A port that nobody has called yet: what was learned of the others is of the rules before.
    assert.match(curl(outside, '-o', '/dev/null', '-w', '%{http_code}', `http://${pod[4]}:8081/`), /^(?:200|50[234])$/);
    const before = metric('loop-detected');
    assert.ok(before <= 4, `${before}`);
    write(held);
    assert.match(curl(outside, `http://${pod[4]}:8081/again`), /^8081 127\.0\.0\.6/);
  });
});
