import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFiles } from '@weft/analysis';
import { junitReport } from './junit-report.ts';
import { sarifReport } from './sarif-report.ts';

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

test('SARIF has one rule for each kind of finding and one result for each finding, with its place', () => {
  const report = sarifReport(checkFiles([{ file: './mesh/my file.yaml', text: bad }]), '1.2.3') as {
    version: string;
    runs: {
      tool: { driver: { name: string; semanticVersion: string; rules: { id: string }[] } };
      results: {
        ruleId: string;
        ruleIndex: number;
        level: string;
        locations: { physicalLocation: { artifactLocation: { uri: string }; region: { startLine: number } } }[];
      }[];
    }[];
  };
  assert.equal(report.version, '2.1.0');
  const [run] = report.runs;
  assert.equal(run?.tool.driver.semanticVersion, '1.2.3');
  const ids = run.tool.driver.rules.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)].sort());
  for (const result of run.results) {
    assert.equal(ids[result.ruleIndex], result.ruleId);
    assert.match(result.level, /^(error|warning)$/);
    assert.equal(result.locations[0]?.physicalLocation.artifactLocation.uri, 'mesh/my%20file.yaml');
    assert.ok(result.locations[0].physicalLocation.region.startLine >= 1);
  }
  assert.ok(run.results.some(({ ruleId, level }) => ruleId === 'bad-value' && level === 'error'));
});

test('JUnit has one test for each file with a finding, and nothing in it breaks out of its place', () => {
  const report = junitReport(
    checkFiles([{ file: 'mesh/<a>.yaml', text: bad.replaceAll('dangling', '"dan\\u0007gling"') }]),
  );
  assert.match(report, /<testsuite name="weft check" tests="1" failures="1" errors="0">/);
  assert.match(report, /<testcase name="mesh\/&lt;a&gt;\.yaml"/);
  assert.equal(report.match(/<failure /g)?.length, report.match(/<\/failure>/g)?.length);
  assert.ok(!report.includes('\u0007'));
});

test('JUnit of a check that found nothing is a test that passed', () => {
  assert.match(junitReport(checkFiles([])), /tests="1" failures="0"[^]*<testcase name="0 files"/);
});
