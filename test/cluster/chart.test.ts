/**
 * The charts, by helm itself where the machine has it: `WEFT_HELM` names the program, or it is on the PATH. It is a Go module:
 * `go build helm.sh/helm/v3/cmd/helm` makes it where there is no package.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import { type KubeObject, customResources, defaultInstallValues, installObjects } from '@weft/kube';
import { parseAllDocuments } from 'yaml';

const helm = process.env['WEFT_HELM'] ?? 'helm';
const present = spawnSync(helm, ['version'], { timeout: 10_000 }).status === 0;
const chart = fileURLToPath(new URL('../../deploy/helm/', import.meta.url));

function template(name: string, ...flags: string[]): { objects: KubeObject[]; error: string } {
  const args = [
    'template',
    'weft',
    `${chart}${name}`,
    '--namespace',
    'weft-system',
    '--kube-version',
    '1.30.0',
    ...flags,
  ];
  const { stdout, stderr, status } = spawnSync(helm, args, { encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) return { objects: [], error: stderr };
  const objects = parseAllDocuments(stdout, { version: '1.1' }).map((document) => document.toJS() as KubeObject | null);
  return { objects: objects.filter((object) => object !== null), error: '' };
}

const keyOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
const byKey = (objects: readonly KubeObject[]): Map<string, KubeObject> =>
  new Map(objects.map((object) => [keyOf(object), object]));

describe('the charts', { skip: present ? false : `no ${helm} here; give WEFT_HELM` }, () => {
  test('make what weft install makes of the same values', () => {
    const values = defaultInstallValues('0.1.0');
    const cases: [string[], Parameters<typeof installObjects>[0]][] = [
      [[], values],
      [['--set', 'webhooks.enabled=false'], { ...values, webhooks: { ...values.webhooks, enabled: false } }],
      [
        [
          '--set',
          'replicas=3,trustDomain=mesh.example,logLevel=debug,sidecar.legacyIptables=true,sidecar.size=small',
          '--set',
          'image.repository=registry.example/weft,image.tag=v1,image.pullPolicy=Always,image.pullSecrets={a,b}',
          '--set',
          'webhooks.injectionFailurePolicy=Ignore,webhooks.timeoutSeconds=3',
          '--set',
          'dashboard.enabled=false,gatewayCertificates.edge={shop-tls,admin-tls}',
        ],
        {
          ...values,
          replicas: 3,
          trustDomain: 'mesh.example',
          logLevel: 'debug',
          image: 'registry.example/weft:v1',
          pullPolicy: 'Always',
          pullSecrets: ['a', 'b'],
          sidecar: { ...values.sidecar, legacyIptables: true, size: 'small' },
          webhooks: { enabled: true, injectionFailurePolicy: 'Ignore', timeoutSeconds: 3 },
          dashboard: false,
          gatewayCertificates: { edge: ['shop-tls', 'admin-tls'] },
        },
      ],
      [['--set', 'cni.enabled=true'], { ...values, cni: { ...values.cni, enabled: true } }],
      [
        [
          '--set',
          'cni.enabled=true,cni.binDir=/home/kubernetes/bin,cni.confDir=/etc/net.d,cni.confFile=10-net.conflist',
          '--set',
          'cni.excludeNamespaces={a,b},cni.evict=false,cni.taint=weft.dev/agent-not-ready,sidecar.legacyIptables=true',
        ],
        {
          ...values,
          sidecar: { ...values.sidecar, legacyIptables: true },
          cni: {
            enabled: true,
            binDir: '/home/kubernetes/bin',
            confDir: '/etc/net.d',
            confFile: '10-net.conflist',
            excludeNamespaces: ['a', 'b'],
            evict: false,
            taint: 'weft.dev/agent-not-ready',
          },
        },
      ],
    ];
    for (const [flags, own] of cases) {
      const { objects, error } = template('weft', '--api-versions', 'gateway.networking.k8s.io/v1', ...flags);
      assert.equal(error, '');
      const made = byKey(objects);
      const ours = byKey(installObjects(own).filter(({ kind }) => kind !== 'Namespace'));
      assert.deepEqual([...made.keys()].sort(), [...ours.keys()].sort());
      for (const [key, object] of ours) assert.deepEqual(made.get(key), object, key);
    }
  });

  test('make no GatewayClass where Gateway API is not installed', () => {
    const { objects } = template('weft');
    assert.ok(objects.some(({ kind }) => kind === 'Deployment'));
    assert.ok(!objects.some(({ kind }) => kind === 'GatewayClass'));
  });

  test('refuse values that their schema does not know', () => {
    assert.match(template('weft', '--set', 'replica=3').error, /additional properties 'replica' not allowed/);
    assert.match(template('weft', '--set', 'sidecar.size=huge').error, /sidecar.size|sidecar\/size/);
  });

  test('carry the definitions as they are generated, to be kept when the chart goes', () => {
    const made = byKey(template('weft-crds').objects);
    for (const [name, resource] of customResources()) {
      assert.deepEqual(made.get(`CustomResourceDefinition//${name}`), JSON.parse(JSON.stringify(resource)));
    }
    assert.equal(made.size, customResources().size);
  });
});
