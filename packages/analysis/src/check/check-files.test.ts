import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFiles } from './check-files.ts';
import { formatFinding } from './finding.ts';

const good = `apiVersion: v1
kind: Service
metadata: {name: cart}
spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}
`;

const bad = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: broken}
spec:
  parentRefs: [{group: "", kind: Service, name: cart, port: 80}]
  rules:
  - matches: [{path: {type: RegularExpression, value: "(a"}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: dangling
spec:
  parentRefs: [{group: "", kind: Service, name: cart, port: 80}]
  rules:
  - backendRefs: [{name: nowhere, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: typo}
spec: {selecter: {app: cart}, ports: [{port: 80}]}
`;

test('files that would be taken whole give no finding', () => {
  assert.deepEqual(checkFiles([{ file: 'mesh/cart.yaml', text: good }]), { files: 1, objects: 1, findings: [] });
});

test('each finding names file, line, column, object, path and reason, in the order of the file', () => {
  const result = checkFiles([
    { file: 'mesh/a.yaml', text: bad },
    { file: 'mesh/cart.yaml', text: good },
  ]);
  assert.equal(result.objects, 4);
  assert.deepEqual(result.findings.map(formatFinding), [
    'mesh/a.yaml:7:55: error: HTTPRoute default/broken spec.rules[0].matches[0].path.value: error parsing regexp: missing closing ): `(a` (expected a regular expression in RE2 syntax)',
    'mesh/a.yaml:16:19: warning: HTTPRoute default/dangling spec.rules[0].backendRefs[0]: Service default/nowhere does not exist. Declare the Service, or name one that is there',
    'mesh/a.yaml:21:8: error: Service default/typo spec.selecter: unknown field "selecter". Did you mean "selector"?',
  ]);
});

test('text that is no YAML is a finding of the file', () => {
  const { findings } = checkFiles([{ file: 'x.yaml', text: 'a: [\n' }]);
  assert.equal(findings.length, 1);
  assert.equal(findings[0]?.code, 'syntax');
  assert.match(formatFinding(findings[0]!), /^x\.yaml:\d+:\d+: error: /);
});

test('two objects of one name are one finding, at the second', () => {
  const { findings } = checkFiles([
    { file: 'a.yaml', text: good },
    { file: 'b.yaml', text: good },
  ]);
  assert.deepEqual(
    findings.map(({ code, file }) => [code, file]),
    [['duplicate-object', 'b.yaml']],
  );
});
