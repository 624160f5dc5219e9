/**
 * The charts, by helm itself where the machine has it: `WEFT_HELM` names the program, or it is on the PATH. It is a Go module:
 * `go build helm.sh/helm/v3/cmd/helm` makes it where there is no package.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import { type KubeObject, customResources, defaultInstallValues, installObjects } from '@weft/kube';
import { parse, parseAllDocuments } from 'yaml';

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

type Fields = Readonly<Record<string, unknown>>;

function at(value: unknown, ...path: readonly string[]): Fields {
  let current = value;
  for (const name of path) current = (current as Fields | undefined)?.[name];
  return (current ?? {}) as Fields;
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

  test('name ports, labels and pods that are there, in every object that stands around the control plane', () => {
    const made = byKey(
      template('weft', '--set', 'serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus').objects,
    );
    const own = 'weft-system/weft-control';
    const pods = at(made.get(`Deployment/${own}`), 'spec', 'template');
    const labels = at(pods, 'metadata', 'labels') as Readonly<Record<string, string>>;
    const container = (at(pods, 'spec')['containers'] as Fields[])[0]!;
    const ports = container['ports'] as { readonly name: string; readonly containerPort: number }[];
    const service = at(made.get(`Service/${own}`), 'spec');
    const isOfPods = (selector: unknown): boolean =>
      Object.entries(selector as object).length > 0 &&
      Object.entries(selector as object).every(([name, value]) => labels[name] === value);

    assert.ok(isOfPods(service['selector']));
    for (const { targetPort } of service['ports'] as { readonly targetPort: number }[]) {
      assert.ok(ports.some(({ containerPort }) => containerPort === targetPort));
    }
    // What comes by the API server comes over loopback, where no policy looks and which no Service reaches.
    const args = (container['args'] as string[]).join(' ');
    assert.match(args, /--admin-port=15013 --dashboard-port=15080/);
    assert.doesNotMatch(args, /--dashboard-host/);

    const policy = at(made.get(`NetworkPolicy/${own}`), 'spec');
    assert.ok(isOfPods(at(policy, 'podSelector')['matchLabels']));
    const opened = (policy['ingress'] as Fields[]).flatMap((rule) =>
      (rule['ports'] as { readonly port: number }[]).map(({ port }) => port),
    );
    assert.deepEqual(opened.sort(), ports.map(({ containerPort }) => containerPort).sort());

    const budget = at(made.get(`PodDisruptionBudget/${own}`), 'spec');
    assert.ok(isOfPods(at(budget, 'selector')['matchLabels']));
    const spread = at(pods, 'spec')['topologySpreadConstraints'] as Fields[];
    assert.deepEqual(
      spread.map(({ topologyKey }) => topologyKey),
      ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'],
    );
    for (const constraint of spread) assert.ok(isOfPods(at(constraint, 'labelSelector')['matchLabels']));

    const monitor = made.get(`ServiceMonitor/${own}`);
    assert.equal(at(monitor, 'metadata', 'labels')['release'], 'prometheus');
    const found = at(monitor, 'spec', 'selector', 'matchLabels');
    const shown = at(made.get(`Service/${own}`), 'metadata', 'labels');
    for (const [name, value] of Object.entries(found)) assert.equal(shown[name], value);
    const [endpoint] = at(monitor, 'spec')['endpoints'] as { readonly port: string }[];
    assert.ok((service['ports'] as { readonly name: string }[]).some(({ name }) => name === endpoint?.port));
  });

  test('leave out what is switched off', () => {
    const off = 'podDisruptionBudget.enabled=false,networkPolicy.enabled=false,webhooks.enabled=false';
    const kinds = template('weft', '--set', off).objects.map(({ kind }) => kind);
    for (const kind of ['PodDisruptionBudget', 'NetworkPolicy', 'ServiceMonitor', 'MutatingWebhookConfiguration']) {
      assert.ok(!kinds.includes(kind), kind);
    }
  });

  test('grant Secrets by name only, in the namespaces that are named, and nothing of any other', () => {
    const { objects } = template('weft', '--set', 'gatewayCertificates.edge={shop-tls}');
    const role = byKey(objects).get('Role/edge/weft-gateway-certificates');
    assert.deepEqual(role?.['rules'], [
      { apiGroups: [''], resources: ['secrets'], resourceNames: ['shop-tls'], verbs: ['get', 'list', 'watch'] },
    ]);
    for (const { kind, metadata, ...rest } of objects.filter((object) => object.kind.endsWith('Role'))) {
      for (const rule of rest['rules'] as {
        readonly resources: string[];
        readonly resourceNames?: string[];
        readonly verbs: string[];
      }[]) {
        if (!rule.resources.includes('secrets') || rule.verbs.join() === 'create') continue;
        assert.ok((rule.resourceNames ?? []).length > 0, `${kind} ${metadata.name}`);
      }
    }
    assert.match(template('weft', '--set', 'gatewayCertificates.edge={}').error, /gatewayCertificates/);
    assert.match(template('weft', '--set', 'gatewayCertificates.edge={A_B}').error, /gatewayCertificates/);
  });

  test('have a schema that knows every value, with a text, and lets no other in', () => {
    const values: unknown = parse(readFileSync(`${chart}weft/values.yaml`, 'utf8'));
    const schema = JSON.parse(readFileSync(`${chart}weft/values.schema.json`, 'utf8')) as Fields;
    const walk = (own: Fields, value: unknown, path: string): void => {
      const properties = (own['properties'] ?? {}) as Readonly<Record<string, Fields>>;
      assert.equal(own['additionalProperties'], false, path);
      const known = Object.keys(properties).filter((name) => !(path === '' && name === 'global'));
      assert.deepEqual(Object.keys(value as object).sort(), known.sort(), path);
      for (const name of known) {
        const place = `${path}.${name}`;
        const inner = properties[name]!;
        if (inner['properties'] !== undefined) walk(inner, (value as Fields)[name], place);
        else assert.ok(String(inner['description'] ?? '').length > 3, `${place} has no text`);
      }
    };
    walk(schema, values, '');
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
