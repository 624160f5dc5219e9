import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { forEachSeed } from '@weft/testkit';
import { type Caller, callerResources, compileView } from '../caller-view.ts';
import { shadowedEntries } from '../entry-cover.ts';
import { explainAsked } from '../explanation.ts';
import { Dice, generatedObjects, generatedRequest, modelOf } from '../generated-mesh-fixture.ts';
import { checkFiles } from './check-files.ts';
import { conditionAdvice, lintRules } from './lint-rule.ts';

const services = `apiVersion: v1
kind: Service
metadata: {name: cart}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: next}
spec: {selector: {app: next}, ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {gatewayClassName: weft, listeners: [{name: a, port: 80, protocol: HTTP, hostname: "*.shop.example"}]}
`;

const head = (parent: string, more = ''): string => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec:
  parentRefs: [${parent}]
${more}  rules:
`;
const toCart = head('{group: "", kind: Service, name: cart}');
const toEdge = head('{name: edge}');
const backend = '    backendRefs: [{name: cart, port: 80}]\n';

const policy = (spec: string): string => `---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: policy}
spec: {targetRefs: [{group: "", kind: Service, name: cart}], ${spec}}
`;

/** What is found in `text` beside good Services: `line code path`. */
function found(text: string): string[] {
  const { findings } = checkFiles([
    { file: 'a.yaml', text: services },
    { file: 'b.yaml', text },
  ]);
  return findings.map(({ file, line, code, path }) => `${file}:${line} ${code} ${path}`);
}

const cases: readonly [name: string, text: string, expected: readonly string[]][] = [
  [
    'a rule behind one that takes all that it matches',
    `${toCart}  - matches: [{path: {value: /x}}]\n${backend}  - matches: [{path: {value: /x}, headers: [{name: a, value: b}]}]\n${backend}  - matches: [{path: {value: /x}}]\n${backend}`,
    ['b.yaml:11 shadowed-rule spec.rules[2]'],
  ],
  [
    'a pattern for all paths above every prefix',
    `${toCart}  - matches: [{path: {type: RegularExpression, value: "/.*"}}]\n${backend}  - matches: [{path: {value: /x}}]\n${backend}`,
    ['b.yaml:9 shadowed-rule spec.rules[1]'],
  ],
  [
    'one match of a rule that has others',
    `${toCart}  - matches: [{path: {value: /x}}]\n${backend}  - matches: [{path: {value: /y}}, {path: {value: /x}}]\n${backend}`,
    ['b.yaml:9 shadowed-match spec.rules[1].matches[1]'],
  ],
  [
    'weights that sum to 0',
    `${toCart}  - backendRefs: [{name: cart, port: 80, weight: 0}, {name: next, port: 80, weight: 0}]\n`,
    ['b.yaml:7 no-weight spec.rules[0].backendRefs'],
  ],
  [
    'a rule of a Gateway that leads nowhere',
    `${toEdge}  - matches: [{path: {value: /x}}]\n`,
    ['b.yaml:7 no-backend spec.rules[0]'],
  ],
  [
    'a try that may take longer than the request, by a policy and a rule together',
    `${toCart}  - timeouts: {request: 1s}\n${backend}${policy('timeouts: {backendRequest: 5s}')}`,
    ['b.yaml:7 timeout-over-parent spec.rules[0].timeouts'],
  ],
  [
    'connecting that may take longer than the request',
    `${toCart}  - timeouts: {request: 1s}\n${backend}${policy('timeouts: {connect: 2s}')}`,
    ['b.yaml:7 timeout-over-parent spec.rules[0].timeouts'],
  ],
  [
    'tries for which no time is left',
    `${toCart}  - timeouts: {request: 1s, backendRequest: 1s}\n${backend}${policy('retries: {on: [PerTryTimeout]}')}`,
    ['b.yaml:7 retry-without-time spec.rules[0].timeouts'],
  ],
  [
    'retries of requests that are not idempotent',
    `${toCart}  - matches: [{method: POST}]\n${backend}  - matches: [{method: GET}]\n${backend}${policy('retries: {methods: Any}')}`,
    ['b.yaml:7 retry-not-idempotent spec.rules[0]'],
  ],
  [
    'retries that the method forbids',
    `${toCart}  - matches: [{method: POST}]\n    retry: {attempts: 3}\n${backend}`,
    ['b.yaml:8 retry-without-effect spec.rules[0].retry'],
  ],
  [
    'a hostname under a wildcard of the same route',
    `${head('{name: edge}', '  hostnames: ["*.shop.example", api.shop.example]\n')}  - backendRefs: [{name: cart, port: 80}]\n`,
    ['b.yaml:6 duplicate-hostname spec.hostnames[1]'],
  ],
  [
    'a hostname that no listener serves, beside one that is served',
    `${head('{name: edge}', '  hostnames: [api.shop.example, other.example]\n')}  - backendRefs: [{name: cart, port: 80}]\n`,
    ['b.yaml:6 unserved-hostname spec.hostnames[1]'],
  ],
  [
    'hostnames under a Service',
    `${head('{group: "", kind: Service, name: cart}', '  hostnames: [cart.example]\n')}  - backendRefs: [{name: cart, port: 80}]\n`,
    ['b.yaml:6 unused-hostnames spec.hostnames'],
  ],
  [
    'a route that names no parent',
    'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: route}\nspec: {rules: [{backendRefs: [{name: cart, port: 80}]}]}\n',
    ['b.yaml:3 route-without-parent metadata.name'],
  ],
  [
    'a Service that receives requests and selects none of the workloads that are declared',
    `${toCart}  - backendRefs: [{name: next, port: 80}]\n---\napiVersion: weft.dev/v1alpha1\nkind: WorkloadEntry\nmetadata: {name: cart-1, labels: {app: cart}}\nspec: {address: 127.0.0.1, ports: [{name: http, port: 80}]}\n`,
    ['a.yaml:8 no-endpoints metadata.name'],
  ],
  [
    'a mirror that leads nowhere',
    `${toCart}  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: gone, port: 80}}}]\n`,
    ['b.yaml:7 BackendNotFound spec.rules[0].filters[0].requestMirror.backendRef'],
  ],
  [
    'the second of two parents, which is not there',
    `${head('{group: "", kind: Service, name: cart}, {group: "", kind: Service, name: gone}')}  - backendRefs: [{name: cart, port: 80}]\n`,
    ['b.yaml:5 NoMatchingParent spec.parentRefs[1]'],
  ],
  [
    'a policy that targets nothing',
    policy('timeouts: {connect: 1s}').replace('name: cart', 'name: gone'),
    ['b.yaml:5 TargetNotFound spec.targetRefs[0]'],
  ],
];

describe('a check finds', () => {
  for (const [name, text, expected] of cases) {
    test(name, () => assert.deepEqual(found(text), expected));
  }

  test('nothing in rules that only look alike', () => {
    const rules = ['/x', '/x/y', '/xy'].map((path) => `  - matches: [{path: {value: ${path}}}]\n${backend}`).join('');
    const exact = `  - matches: [{path: {type: Exact, value: /x}}]\n${backend}`;
    assert.deepEqual(found(`${toCart}${rules}${exact}`), []);
  });

  test('each thing that it says it looks for', () => {
    const told = new Set(cases.flatMap(([, , expected]) => expected.map((line) => line.split(' ')[1])));
    for (const code of Object.keys(lintRules)) assert.ok(told.has(code), `no case finds ${code}`);
  });
});

test('what is said to be shadowed never gets one of 6,000 generated requests', async () => {
  const callers: readonly Caller[] = [
    { namespace: 'shop', gateway: '' },
    { namespace: 'shop', gateway: 'shop/edge' },
  ];
  let shadowed = 0;
  await forEachSeed(150, (random) => {
    const dice = new Dice(random);
    const model = modelOf(generatedObjects(dice));
    for (const caller of callers) {
      const { tables } = compileView(callerResources(model, caller), caller);
      for (let index = 0; index < 20; index += 1) {
        const asked = generatedRequest(dice, caller.gateway !== '');
        const { way, record } = explainAsked(tables, caller, asked);
        const routes =
          way.kind === 'destination'
            ? tables.destination(way.destination)?.routes
            : tables.listenerFor(80, asked.authority)?.routes;
        const dead = [...shadowedEntries(routes!.match.entries).keys()];
        shadowed += dead.length;
        const winner = routes!.match.find(asked.head);
        assert.ok(winner === undefined || !dead.includes(winner), String(record?.winner?.route));
      }
    }
  });
  assert.ok(shadowed > 500, `only ${shadowed}`);
});

test('the page for users tells what each code means', () => {
  const page = readFileSync(new URL('../../../../docs/before-a-change.md', import.meta.url), 'utf8');
  for (const [code, { severity, text }] of Object.entries(lintRules)) {
    assert.ok(page.includes(`| \`${code}\` | ${severity} | ${text} |`), code);
  }
  for (const [code, { text }] of Object.entries(conditionAdvice)) {
    assert.ok(page.includes(`| \`${code}\` | warning | ${text} |`), code);
  }
});
