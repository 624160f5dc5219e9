import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind, ObjectOf } from '../kinds/kind-table.ts';
import { formatProblem } from '../problem/problem.ts';
import { readDocuments } from './document-reader.ts';
import { type ReadResult, readObject } from './object-reader.ts';

function read(text: string): ReadResult {
  const { documents, problems } = readDocuments(text, 'f.yaml');
  assert.deepEqual(problems, []);
  return readObject(documents[0]!.raw, documents[0]!.origin);
}

const apiVersions: Readonly<Record<string, string>> = {
  Service: 'v1',
  HTTPRoute: 'gateway.networking.k8s.io/v1',
  Gateway: 'gateway.networking.k8s.io/v1',
  ReferenceGrant: 'gateway.networking.k8s.io/v1beta1',
};

function readSpec(kind: Kind, spec: string): ReadResult {
  return read(
    `apiVersion: ${apiVersions[kind] ?? 'weft.dev/v1alpha1'}\nkind: ${kind}\nmetadata: {name: default}\nspec: ${spec}\n`,
  );
}

const rule = (text: string): [Kind, string] => ['HTTPRoute', `{rules: [${text}]}`];
const filter = (text: string): [Kind, string] => rule(`{filters: [${text}]}`);
const prefix = (value: string): [Kind, string] => rule(`{matches: [{path: {value: ${JSON.stringify(value)}}}]}`);
const traffic = (text: string): [Kind, string] => ['TrafficPolicy', text];

/** Kind, spec, and `code path` of each problem in order; nothing for what is right. */
const cases: readonly [[Kind, string], ...string[]][] = [
  [prefix('/')],
  [prefix('/a-b/c.d/~e/%20')],
  [prefix(''), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('a'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a//b'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a/./b'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a/../b'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a/..'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a/.'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a%2Fb'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a#b'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix('/a b'), 'bad-value spec.rules[0].matches[0].path.value'],
  [prefix(`/${'a'.repeat(1024)}`), 'too-long spec.rules[0].matches[0].path.value'],
  [rule('{matches: [{path: {type: RegularExpression, value: "/a/.*//x"}}]}')],
  [
    rule('{matches: [{queryParams: [{name: a, value: b}, {name: a, value: c}]}]}'),
    'duplicate-entry spec.rules[0].matches[0].queryParams[1].name',
  ],
  [rule('{timeouts: {request: 0s, backendRequest: 5s}}')],
  [rule('{timeouts: {request: 4s, backendRequest: 5s}}'), 'out-of-range spec.rules[0].timeouts.backendRequest'],
  [rule('{timeouts: {request: 1.5s}}'), 'bad-value spec.rules[0].timeouts.request'],
  [rule('{name: a}, {name: a}'), 'duplicate-entry spec.rules[1].name'],
  [rule('{backendRefs: [{name: a, port: 80, weight: 0}]}')],
  [rule('{backendRefs: [{name: a, port: 80, weight: 1.5}]}'), 'wrong-type spec.rules[0].backendRefs[0].weight'],
  [rule('{backendRefs: [{port: 80}]}'), 'missing-field spec.rules[0].backendRefs[0].name'],
  [filter('{type: RequestRedirect}'), 'conflicting-fields spec.rules[0].filters[0].requestRedirect'],
  [
    filter('{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}'),
    'conflicting-fields spec.rules[0].filters',
  ],
  [
    filter('{type: URLRewrite, urlRewrite: {}}, {type: URLRewrite, urlRewrite: {}}'),
    'duplicate-entry spec.rules[0].filters[1].type',
  ],
  [
    rule('{filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: a, port: 1}]}'),
    'conflicting-fields spec.rules[0].backendRefs',
  ],
  [
    filter('{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Content-Length, value: "0"}]}}'),
    'bad-value spec.rules[0].filters[0].requestHeaderModifier.set[0].name',
  ],
  [
    filter('{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X, value: "a\\r\\nb"}]}}'),
    'bad-value spec.rules[0].filters[0].requestHeaderModifier.set[0].value',
  ],
  [
    filter(
      '{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, percent: 5, fraction: {numerator: 1}}}',
    ),
    'conflicting-fields spec.rules[0].filters[0].requestMirror.percent',
  ],
  [
    filter('{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, fraction: {numerator: 101}}}'),
    'out-of-range spec.rules[0].filters[0].requestMirror.fraction.numerator',
  ],
  [
    filter('{type: ExtensionRef, extensionRef: {}}'),
    'unsupported-value spec.rules[0].filters[0].type',
    'not-served-yet spec.rules[0].filters[0].extensionRef',
  ],
  [
    rule(
      '{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]}',
    ),
    'conflicting-fields spec.rules[0].filters[0]',
  ],
  [['HTTPRoute', `{rules: [${Array.from({ length: 17 }, () => '{}').join(', ')}]}`], 'too-long spec.rules'],
  [['HTTPRoute', '{hostnames: ["*.example.com", example.com]}']],
  [['HTTPRoute', '{hostnames: ["*"]}'], 'bad-value spec.hostnames[0]'],
  [
    ['Service', '{ports: [{port: 0}, {port: 65536}]}'],
    'out-of-range spec.ports[0].port',
    'out-of-range spec.ports[1].port',
  ],
  [['Service', '{ports: [{port: 1}, {port: 2, name: b}]}'], 'missing-field spec.ports[0]'],
  [
    ['Service', '{ports: [{port: 1, name: a}, {port: 1, name: a}]}'],
    'duplicate-entry spec.ports[1]',
    'duplicate-entry spec.ports[1]',
  ],
  [['Service', '{ports: [{port: 1, targetPort: UPPER}]}'], 'bad-value spec.ports[0].targetPort'],
  [['Service', '{type: ExternalName}'], 'unsupported-value spec.type'],
  [['Service', '{selector: {"bad key": x}}'], 'bad-value spec.selector["bad key"]'],
  [['WorkloadEntry', '{address: "::ffff:10.0.0.1"}']],
  [['WorkloadEntry', '{address: "1::2::3"}'], 'bad-value spec.address'],
  [['WorkloadEntry', '{address: 256.0.0.1}'], 'bad-value spec.address'],
  [['WorkloadEntry', '{address: localhost}'], 'bad-value spec.address'],
  [['WorkloadEntry', '{address: 127.0.0.1, weight: 10001}'], 'out-of-range spec.weight'],
  [['Gateway', '{gatewayClassName: weft, listeners: []}'], 'missing-field spec.listeners'],
  [
    [
      'Gateway',
      '{gatewayClassName: weft, listeners: [{name: a, port: 1, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}]}',
    ],
    'conflicting-fields spec.listeners[0].allowedRoutes.namespaces.selector',
  ],
  [['ReferenceGrant', '{from: [], to: [{group: "", kind: Service}]}'], 'missing-field spec.from'],
  [traffic('{timeouts: {connect: 0s}}')],
  [traffic('{timeouts: {connect: -1s}}'), 'bad-value spec.timeouts.connect'],
  [traffic('{timeouts: {connect: 9000h}}'), 'out-of-range spec.timeouts.connect'],
  [traffic('{retries: {attempts: 11}}'), 'out-of-range spec.retries.attempts'],
  [traffic('{retries: {statuses: [503]}}'), 'wrong-type spec.retries.statuses[0]'],
  [traffic('{retries: {statuses: ["599-500"]}}'), 'bad-value spec.retries.statuses[0]'],
  [traffic('{retries: {on: [gatewayerror]}}'), 'bad-value spec.retries.on[0]'],
  [traffic('{retries: {on: [NeverSent, NeverSent]}}'), 'duplicate-entry spec.retries.on[1]'],
  [traffic('{retries: {bodyLimit: 64Kb}}'), 'bad-value spec.retries.bodyLimit'],
  [traffic('{retries: {bodyLimit: 1Gi}}'), 'out-of-range spec.retries.bodyLimit'],
  [traffic('{retries: {backoff: {base: 1s, max: 1ms}}}'), 'out-of-range spec.retries.backoff.base'],
  [traffic('{loadBalancer: {panicBelowPercent: 101}}'), 'out-of-range spec.loadBalancer.panicBelowPercent'],
  [traffic('{loadBalancer: {type: Maglev}}'), 'unsupported-value spec.loadBalancer.type'],
  [
    traffic('{outlierDetection: {successRate: {deviations: 0}}}'),
    'out-of-range spec.outlierDetection.successRate.deviations',
  ],
  [traffic('{healthCheck: {http: {}}}'), 'missing-field spec.healthCheck.type'],
  [traffic('{healthCheck: {type: Tcp, http: {}}}'), 'conflicting-fields spec.healthCheck.http'],
  [traffic('{targetRefs: []}'), 'missing-field spec.targetRefs'],
  [traffic('{targetRefs: [{group: "", kind: Pod, name: a}]}'), 'bad-value spec.targetRefs[0].kind'],
  [
    traffic('{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a, namespace: b}]}'),
    'conflicting-fields spec.targetRefs[0].namespace',
  ],
  [traffic('{selector: {matchLabels: {a: b}}}'), 'unknown-field spec.selector'],
  [['AuthenticationPolicy', '{mtls: {mode: strict}}'], 'bad-value spec.mtls.mode'],
  [
    ['AuthenticationPolicy', '{mtls: {ports: [{port: 1, mode: Strict}, {port: 1, mode: Disabled}]}}'],
    'duplicate-entry spec.mtls.ports[1].port',
  ],
  [
    ['AuthenticationPolicy', '{targetRefs: [{group: "", kind: Service, name: a, namespace: b}]}'],
    'conflicting-fields spec.targetRefs[0].namespace',
  ],
  [['Mesh', '{identity: {leafLifetime: 1s}}'], 'out-of-range spec.identity.leafLifetime'],
  [['Mesh', '{discovery: {namespaceSelector: {}}}']],
  [
    ['Mesh', '{discovery: {namespaceSelector: {matchLabels: {a: b}}}}'],
    'not-served-yet spec.discovery.namespaceSelector.matchLabels',
  ],
];

for (const [[kind, spec], ...expected] of cases) {
  test(`${kind} ${spec.slice(0, 90)} gives ${expected.length === 0 ? 'an object' : expected.join(' and ')}`, () => {
    const { object, problems } = readSpec(kind, spec);
    const errors = problems.map(({ code, path }) => `${code} ${path}`);
    assert.deepEqual(errors, expected);
    assert.equal(object === undefined, expected.length > 0);
    for (const { origin } of problems) assert.ok(origin !== undefined && origin.line >= 4);
  });
}

/** Documents that are refused before their spec is read. */
const refusedDocuments: readonly [text: string, ...problems: string[]][] = [
  ['- a\n- b\n', 'not-an-object '],
  ['just text\n', 'not-an-object '],
  ['metadata: {name: a}\n', 'missing-field apiVersion', 'missing-field kind'],
  ['apiVersion: 1\nkind: [Service]\n', 'wrong-type apiVersion', 'wrong-type kind'],
  ['apiVersion: v1\nkind: Servise\nmetadata: {name: a}\n', 'unknown-kind kind'],
  ['apiVersion: v2\nkind: Service\nmetadata: {name: a}\n', 'unknown-kind apiVersion'],
  ['apiVersion: example.com/v1\nkind: BackendTLSPolicy\nmetadata: {name: a}\n', 'unknown-kind kind'],
  ['apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: a}\n', 'kind-not-served kind'],
  ['apiVersion: weft.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n', 'kind-not-served kind'],
  ['apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nspec: {}\n', 'missing-field metadata'],
  ['apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: a}\n', 'missing-field spec'],
];

for (const [text, ...expected] of refusedDocuments) {
  test(`${JSON.stringify(text)} is refused with ${expected.join('and ')}`, () => {
    const { object, problems } = read(text);
    assert.equal(object, undefined);
    assert.deepEqual(
      problems.map(({ code, path }) => `${code} ${path}`),
      expected,
    );
    for (const { severity } of problems) assert.equal(severity, 'error');
  });
}

/** What is said about an object that is taken all the same. */
const warnings: readonly [Kind, string, ...string[]][] = [
  ['Service', '{sessionAffinity: ClientIP}', 'not-honoured spec.sessionAffinity'],
  ['Service', '{internalTrafficPolicy: Local}', 'not-honoured spec.internalTrafficPolicy'],
  ['Service', '{trafficDistribution: PreferSameNode}', 'not-honoured spec.trafficDistribution'],
  ['Service', '{sessionAffinity: None, internalTrafficPolicy: Cluster, trafficDistribution: PreferSameZone}'],
  [
    'Gateway',
    '{gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 443, protocol: HTTPS}]}',
    'listener-not-served spec.listeners[1].tls',
  ],
  [
    'Gateway',
    '{gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: example.com/own}]}',
    'listener-not-served spec.listeners[0].protocol',
  ],
];

for (const [kind, spec, ...expected] of warnings) {
  test(`${kind} ${spec.slice(0, 90)} is taken with ${expected.length === 0 ? 'no word' : expected.join(' and ')}`, () => {
    const { object, problems } = readSpec(kind, spec);
    assert.equal(object?.kind, kind);
    assert.deepEqual(
      problems.map(({ code, path }) => `${code} ${path}`),
      expected,
    );
    for (const { severity } of problems) assert.equal(severity, 'warning');
  });
}

test('durations are milliseconds, sizes bytes, statuses ranges, and absence stays absence', () => {
  const { object } = readSpec(
    'TrafficPolicy',
    '{timeouts: {request: 1m30s, connect: 0s}, retries: {bodyLimit: 1Ki, statuses: ["500-504"]}}',
  );
  const { spec } = object as ObjectOf<'TrafficPolicy'>;
  assert.deepEqual(spec.timeouts, { request: 90_000, connect: 0 });
  assert.deepEqual(spec.retries, { bodyLimit: 1_024, statuses: [{ from: 500, to: 504 }] });
});

test('null is absence and an object without a namespace is of default', () => {
  const { object } = read(
    'apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: null}\nspec: {selector: null}\n',
  );
  assert.equal(object?.metadata.namespace, 'default');
  assert.deepEqual(object?.spec, {});
});

test('a cluster-scoped kind has no namespace, and the Mesh has one name', () => {
  const { problems } = read(
    'apiVersion: weft.dev/v1alpha1\nkind: Mesh\nmetadata: {name: other, namespace: a}\nspec: {}\n',
  );
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['metadata.namespace', 'metadata.name'],
  );
});

test('a value that is no object, or claims to be one, never throws', () => {
  const proto: unknown = JSON.parse(
    '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"__proto__": {"x": 1}}}',
  );
  for (const raw of [
    undefined,
    null,
    1,
    'x',
    [],
    {},
    { kind: 1 },
    { kind: 'Service', apiVersion: 'v1', metadata: [] },
    proto,
  ]) {
    const { object, problems } = readObject(raw);
    assert.equal(object, undefined);
    assert.ok(problems.length > 0);
  }
});

test('a function that checks regular expressions is asked, and its words are the message', () => {
  const raw: unknown = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'a' },
    spec: { rules: [{ matches: [{ headers: [{ type: 'RegularExpression', name: 'x', value: '(' }] }] }] },
  };
  const checkRegularExpression = (pattern: string): string | undefined => (pattern === '(' ? 'missing )' : undefined);
  const { problems } = readObject(raw, undefined, { checkRegularExpression });
  assert.deepEqual(problems.map(formatProblem), [
    'error: HTTPRoute default/a spec.rules[0].matches[0].headers[0].value: missing ) (expected a regular expression in RE2 syntax)',
  ]);
});
