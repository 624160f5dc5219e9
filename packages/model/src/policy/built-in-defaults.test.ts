import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trafficSchema } from '../kinds/traffic-policy.ts';
import { meshSpecSchema } from '../kinds/mesh.ts';
import { workloadEntrySpecSchema } from '../kinds/workload-entry.ts';
import type { FieldNode, SchemaNode } from '../schema/schema.ts';
import { readValue } from '../schema/value-reader.ts';
import { readDocuments } from '../reader/document-reader.ts';
import { builtInDefaults } from './built-in-defaults.ts';

const built = builtInDefaults;

/** The default that the description of a field names, read as that field reads a file. */
function described(root: SchemaNode, path: string): unknown {
  let field: FieldNode | undefined;
  let node = root;
  for (const name of path.split('.')) {
    assert.equal(node.type, 'object', path);
    if (node.type === 'object') field = node.fields.get(name);
    assert.ok(field !== undefined, path);
    node = field.node;
  }
  assert.ok(field !== undefined && field.default !== '', `${path} names no default`);
  const raw =
    node.type === 'string' || node.type === 'enum'
      ? field.default
      : readDocuments(field.default, 'default').documents[0]!.raw;
  return readValue(
    node,
    raw,
    {
      report: (_, code, { message }) => assert.fail(`${path}: ${code} ${message}`),
      checkRegularExpression: () => undefined,
    },
    [],
  );
}

const traffic: readonly [string, unknown][] = [
  ['timeouts.connect', built.timeouts.connectMs],
  ['timeouts.request', built.timeouts.requestMs],
  ['timeouts.backendRequest', built.timeouts.backendRequestMs],
  ['timeouts.streamIdle', built.timeouts.streamIdleMs],
  ['retries.attempts', built.retries.attempts],
  ['retries.on', built.retries.on],
  ['retries.statuses', built.retries.statuses],
  ['retries.grpcStatuses', built.retries.grpcStatuses],
  ['retries.methods', built.retries.anyMethod ? 'Any' : 'Idempotent'],
  ['retries.backoff.base', built.retries.backoffBaseMs],
  ['retries.backoff.max', built.retries.backoffMaxMs],
  ['retries.budget.percent', built.retries.budget.percent],
  ['retries.budget.minimumPerSecond', built.retries.budget.minimumPerSecond],
  ['retries.budget.window', built.retries.budget.windowMs],
  ['retries.bodyLimit', built.retries.bodyLimitBytes],
  ['loadBalancer.type', built.loadBalancer.type],
  ['loadBalancer.peakEwma.decay', built.loadBalancer.decayMs],
  ['loadBalancer.peakEwma.initialLatency', built.loadBalancer.initialLatencyMs],
  ['loadBalancer.slowStart.window', built.slowStartWhenOnMs],
  ['loadBalancer.slowStart.minimumWeightPercent', built.loadBalancer.slowStartMinimumPercent],
  ['loadBalancer.locality', built.loadBalancer.locality],
  ['loadBalancer.panicBelowPercent', built.loadBalancer.panicBelowPercent],
  ['connections.maxPerEndpoint', built.connections.maxPerEndpoint],
  ['connections.maxPending', built.connections.maxPending],
  ['connections.idleTimeout', built.connections.idleTimeoutMs],
  ['connections.maxLifetime', built.connections.maxLifetimeMs],
  ['connections.maxRequestsPerConnection', built.connections.maxRequestsPerConnection],
  ['connections.proxyProtocol', built.connections.sendsProxyProtocol ? 'V2' : 'Off'],
  ['connections.fieldNameCase', built.connections.keepsFieldNameCase ? 'Preserve' : 'Any'],
  ['circuitBreaker.failurePercent', built.circuitBreaker.failurePercent],
  ['circuitBreaker.minimumRequests', built.circuitBreaker.minimumRequests],
  ['circuitBreaker.window', built.circuitBreaker.windowMs],
  ['circuitBreaker.openFor', built.circuitBreaker.openForMs],
  ['circuitBreaker.maxOpenFor', built.circuitBreaker.maxOpenForMs],
  ['circuitBreaker.probes', built.circuitBreaker.probes],
  ['circuitBreaker.slowerThan', built.circuitBreaker.slowerThanMs],
  ['concurrency.maxRequests', built.maxRequests],
  ['outlierDetection.consecutiveErrors', built.outlierDetection.consecutiveErrors],
  ['outlierDetection.successRate.minimumEndpoints', built.successRateWhenOn.minimumEndpoints],
  ['outlierDetection.successRate.minimumRequests', built.successRateWhenOn.minimumRequests],
  ['outlierDetection.successRate.deviations', built.successRateWhenOn.deviations],
  ['outlierDetection.baseEjection', built.outlierDetection.baseEjectionMs],
  ['outlierDetection.maxEjection', built.outlierDetection.maxEjectionMs],
  ['outlierDetection.maxEjectedPercent', built.outlierDetection.maxEjectedPercent],
  ['healthCheck.http.path', built.healthCheckWhenOn.path],
  ['healthCheck.http.statuses', built.healthCheckWhenOn.statuses],
  ['healthCheck.interval', built.healthCheckWhenOn.intervalMs],
  ['healthCheck.timeout', built.healthCheckWhenOn.timeoutMs],
  ['healthCheck.unhealthyAfter', built.healthCheckWhenOn.unhealthyAfter],
  ['healthCheck.healthyAfter', built.healthCheckWhenOn.healthyAfter],
];

test('every described default of TrafficPolicy is the one of the table', () => {
  for (const [path, value] of traffic) assert.deepEqual(described(trafficSchema.node, path), value, path);
});

test('every leaf of TrafficPolicy that describes a default is held against the table', () => {
  const known = new Set(traffic.map(([path]) => path));
  const walk = (node: SchemaNode, path: string): void => {
    if (node.type !== 'object') return;
    for (const [name, field] of node.fields) {
      const at = path === '' ? name : `${path}.${name}`;
      if (field.default !== '' && name !== 'enabled') assert.ok(known.has(at), `${at} is in no row above`);
      walk(field.node, at);
    }
  };
  walk(trafficSchema.node, '');
});

test('the described defaults of Mesh and WorkloadEntry are those of the table', () => {
  const mesh = meshSpecSchema.node;
  assert.equal(described(mesh, 'trustDomain'), built.mesh.trustDomain);
  assert.deepEqual(described(mesh, 'trustDomainAliases'), built.mesh.trustDomainAliases);
  assert.equal(described(mesh, 'egress'), built.mesh.egress);
  assert.equal(described(mesh, 'identity.leafLifetime'), built.mesh.leafLifetimeMs);
  assert.equal(described(mesh, 'identity.rootLifetime'), built.mesh.rootLifetimeMs);
  assert.equal(described(mesh, 'discovery.visibility'), built.mesh.visibility);
  assert.equal(described(mesh, 'defaults.authentication.mtls.mode'), built.mesh.mtlsMode);
  assert.equal(described(workloadEntrySpecSchema.node, 'serviceAccount'), built.workload.serviceAccount);
  assert.equal(described(workloadEntrySpecSchema.node, 'weight'), built.workload.weight);
});
