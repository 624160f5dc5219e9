import assert from 'node:assert/strict';
import { test } from 'node:test';
import { injectPod } from './inject-pod.ts';
import type { InjectionSettings } from './injection-settings.ts';
import { readInjectedSidecar } from './injected-sidecar.ts';

const settings: InjectionSettings = {
  image: 'weft:1',
  imagePullPolicy: '',
  imagePullSecrets: [],
  controlAddress: 'control:15012',
  trustDomain: 'cluster.local',
  rootsPem: 'PEM',
  tokenAudience: 'weft',
  capture: 'Redirect',
  legacyIptables: false,
  cni: false,
  logLevel: 'info',
  size: 'standard',
};

function injected(annotations: Readonly<Record<string, string>> = {}, status: object = {}) {
  const ports = [{ name: 'http', containerPort: 8080 }, { containerPort: 9000 }];
  const pod = { metadata: { name: 'cart-1', annotations }, spec: { containers: [{ name: 'app', ports }] } };
  const place = { namespace: 'shop', namespaceLabels: { 'weft.dev/inject': 'enabled' }, drainKey: 'k' };
  const made = injectPod(pod, place, settings);
  assert.ok(made.kind === 'injected');
  return readInjectedSidecar({ ...made.pod, status });
}

test('a pod as the injector leaves it is read back', () => {
  assert.deepEqual(injected(), {
    isCaptured: true,
    ports: [
      { name: 'http', port: 8080 },
      { name: '', port: 9000 },
    ],
    bare: [{ from: 15_020, to: 15_020 }],
    isDown: false,
    restarts: 0,
  });
  assert.equal(readInjectedSidecar({ spec: { initContainers: [{ name: 'other' }] } }), undefined);
});

test('ports that are not led through it, and a pod that captures nothing, are told apart', () => {
  assert.deepEqual(injected({ 'config.weft.dev/exclude-inbound-ports': '22,9000-9010' })?.bare, [
    { from: 22, to: 22 },
    { from: 9000, to: 9010 },
    { from: 15_020, to: 15_020 },
  ]);
  assert.equal(injected({ 'config.weft.dev/capture': 'None' })?.isCaptured, false);
});

test('a sidecar that ended is down until it runs again', () => {
  const status = (state: object, restartCount = 0, lastState = {}): object => ({
    initContainerStatuses: [{ name: 'weft-proxy', state, restartCount, lastState }],
  });
  const waiting = { waiting: { reason: 'PodInitializing' } };
  const terminated = { terminated: { exitCode: 1 } };
  assert.equal(injected({}, status(waiting))?.isDown, false);
  assert.equal(injected({}, status(terminated))?.isDown, true);
  assert.equal(injected({}, status({ waiting: { reason: 'CrashLoopBackOff' } }, 1, terminated))?.isDown, true);
  const again = injected({}, status({ running: {} }, 1, terminated));
  assert.deepEqual({ isDown: again?.isDown, restarts: again?.restarts }, { isDown: false, restarts: 1 });
});
