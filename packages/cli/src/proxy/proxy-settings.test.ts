import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeJoinToken } from '@weft/identity';
import { readFlags } from './flag-reader.ts';
import { proxyFlags } from './proxy-flags.ts';
import { type ProxySettings, readProxySettings } from './proxy-settings.ts';

const token = writeJoinToken({
  namespace: 'shop',
  serviceAccount: 'buyer',
  workload: 'cart',
  controlAddress: '127.0.0.1:15012',
  trustDomain: 'cluster.local',
  rootFingerprint: 'a'.repeat(64),
  credential: `${'b'.repeat(11)}.${'c'.repeat(43)}`,
});
const machine = {
  hostName: 'desk',
  randomName: 'x1',
  readFile: (path: string) => (path === 'there' ? `${token}\n` : undefined),
};

function outcomeOf(args: readonly string[]) {
  const flags = readFlags(proxyFlags, args, {});
  assert.ok(flags.ok, flags.ok ? '' : flags.error);
  return readProxySettings(flags.value, machine);
}

function read(...args: readonly string[]): ProxySettings {
  const settings = outcomeOf(args);
  assert.ok(settings.ok, settings.ok ? '' : settings.error);
  return settings.value;
}

test('a service is enough: the rest has defaults that are right beside one program', () => {
  const { options, logLevel, readyFd } = read('--service', 'cart');
  assert.deepEqual(
    [options.mode, options.namespace, options.name, options.serviceAccount, options.service, options.instance],
    ['sidecar', 'default', 'cart', 'cart', 'cart', 'cart-x1'],
  );
  assert.deepEqual([options.outboundPort, options.statsPort, options.metricsPort], [15_001, 15_000, 15_020]);
  assert.deepEqual([options.node, options.meshHost, options.accessLog], ['desk', '127.0.0.1', 'Errors']);
  assert.deepEqual([options.drainDeadlineMs, logLevel, readyFd], [30_000, 'info', -1]);
});

test('a token says who the workload is, and a flag more', () => {
  const { options } = read('--token', token);
  assert.deepEqual([options.namespace, options.name, options.serviceAccount], ['shop', 'cart', 'buyer']);
  assert.equal(options.service, '', 'a WorkloadEntry names the instance, not this process');
  assert.equal(read('--token', token, '--service-account', 'seller').options.serviceAccount, 'seller');
});

test('a token is read from a file, without its line break', () => {
  assert.equal(read('--token-file', 'there').options.token, token);
});

test('ports carry a name, stand once each, and are announced where the application listens', () => {
  const { inbound } = read(
    '--service',
    'a',
    '--port',
    'http=8080',
    '--port',
    '9090',
    '--application-host',
    '::1',
  ).options;
  assert.deepEqual(inbound, [
    { applicationPort: 8080, name: 'http', applicationHost: '::1' },
    { applicationPort: 9090, name: '', applicationHost: '::1' },
  ]);
});

test('a gateway takes its name and namespace from the Gateway it serves', () => {
  const { options } = read('--mode=gateway', '--gateway=shop/edge', '--gateway-port=80=8000', '--gateway-port=443=0');
  assert.deepEqual([options.namespace, options.name, options.service], ['shop', 'edge', '']);
  assert.deepEqual(
    [...options.gatewayPorts],
    [
      [80, 8000],
      [443, 0],
    ],
  );
});

test('labels keep their values', () => {
  assert.deepEqual(read('--service=a', '--label=version=v2', '--label=app.k8s.io/x=').options.labels, {
    version: 'v2',
    'app.k8s.io/x': '',
  });
});

test('the state folder is discarded only when there is one', () => {
  assert.equal(read('--service=a', '--discard-state').discardState, false);
  assert.equal(read('--service=a', '--discard-state', '--state=x').discardState, true);
});

for (const [args, pattern] of [
  [[], /--service or --name/],
  [['--service=Cart'], /--name "Cart": expected a name/],
  [['--service=a', '--port=0'], /--port "0"/],
  [['--service=a', '--port=70000'], /--port "70000"/],
  [['--service=a', '--port=80', '--port=x=80'], /each port once/],
  [['--service=a', '--outbound-port=-2'], /--outbound-port "-2": expected a whole number from -1 to 65535/],
  [['--service=a', '--outbound-port=1e3'], /--outbound-port "1e3"/],
  [['--service=a', '--drain-deadline=30'], /--drain-deadline "30": expected a duration/],
  [['--service=a', '--drain-deadline=2h'], /--drain-deadline "2h"/],
  [['--service=a', '--control=host'], /--control "host": expected HOST:PORT/],
  [['--service=a', '--control=http://h:1'], /--control/],
  [['--service=a', '--mesh-host=desk'], /--mesh-host "desk": expected an IP address/],
  [['--service=a', '--label=novalue'], /--label "novalue"/],
  [['--service=a', '--access-log=some'], /--access-log "some": expected one of never, errors, always/],
  [['--service=a', '--gateway=shop/edge'], /--gateway "shop\/edge": expected nothing in --mode sidecar/],
  [['--mode=gateway'], /--gateway is empty/],
  [['--mode=gateway', '--gateway=a/b', '--gateway-port=80'], /--gateway-port "80"/],
  [['--service=a', '--token=x', '--token-file=there'], /exclude each other/],
  [['--service=a', '--token-file=absent'], /--token-file absent cannot be read/],
] as const) {
  test(`${args.join(' ') || 'nothing at all'} is refused in one line`, () => {
    const settings = outcomeOf(args);
    assert.ok(!settings.ok);
    assert.match(settings.error, pattern);
    assert.doesNotMatch(settings.error, /\n/);
  });
}

test('a pod says by variables of its injector what it is, and attests itself by its token as it is then', () => {
  let jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln';
  const pod = {
    WEFT_NAME: 'cart',
    WEFT_MESH_HOST: '10.1.2.3',
    WEFT_CAPTURE: 'redirect',
    WEFT_PORTS: 'http=8080,9090',
    WEFT_OPAQUE_PORTS: '3306,9000-9010',
    WEFT_APP_PROBES: '{"/app-health/web/livez":{"type":"tcp","port":8080,"timeoutMs":1000}}',
    WEFT_APP_METRICS: '9102/stats?x=1',
    WEFT_DRAIN_KEY: 'key',
    WEFT_TOKEN_FILE: '/var/run/secrets/weft/token',
    WEFT_ROOTS: '-----BEGIN CERTIFICATE-----',
    WEFT_TRUST_DOMAIN: 'mesh.test',
  };
  const settingsOf = (env: Readonly<Record<string, string>>) => {
    const flags = readFlags(proxyFlags, [], env);
    assert.ok(flags.ok);
    return readProxySettings(flags.value, { ...machine, readFile: () => `${jwt}\n` });
  };
  const read = settingsOf(pod);
  assert.ok(read.ok, read.ok ? '' : read.error);
  const { options } = read.value;
  assert.deepEqual(options.capture, { inbound: 15_006, outbound: 15_001, proof: 15_021 });
  assert.deepEqual([options.outboundPort, options.token, options.drainKey], [-1, '', 'key']);
  assert.deepEqual(options.opaquePorts, [
    { from: 3306, to: 3306 },
    { from: 9000, to: 9010 },
  ]);
  assert.deepEqual(options.applicationMetrics, { port: 9102, path: '/stats?x=1' });
  assert.deepEqual(Object.keys(options.applicationProbes ?? {}), ['/app-health/web/livez']);
  assert.equal(options.podToken?.trustDomain, 'mesh.test');
  jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJhIjoyfQ.c2ln';
  assert.equal(options.podToken?.read(), jwt);
  for (const [change, message] of [
    [{ WEFT_ROOTS: '' }, /--roots is empty: expected PEM/],
    [{ WEFT_CAPTURE: 'tproxy' }, /--capture "tproxy": expected redirect/],
    [{ WEFT_OPAQUE_PORTS: '0' }, /--opaque-ports "0"/],
    [{ WEFT_CAPTURE_RULES: '--inbound all --outbound all' }, /--capture-rules .*each as --name=value/],
    [{ WEFT_APP_PROBES: '{"/other":{}}' }, /--app-probes .*expected/],
    [{ WEFT_APP_PROBES: '[' }, /--app-probes .*no JSON/],
    [{ WEFT_APP_METRICS: 'metrics' }, /--app-metrics "metrics": expected PORT\/PATH/],
  ] as const) {
    const wrong = settingsOf({ ...pod, ...change });
    assert.match(wrong.ok ? '' : wrong.error, message);
  }
});
