import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMesh } from './start-mesh.ts';

const policies = `
apiVersion: weft.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: of-web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  metrics: {names: OpenTelemetry}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: edge, namespace: default}
spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: orders, port: 80}]}]}
`;

test('a TelemetryPolicy holds for a workload that only calls, by its labels, and for a gateway by its namespace', async () => {
  const mesh = await startMesh({
    services: { orders: { handler: (_request, response) => void response.end('ok') }, web: {}, batch: {} },
    gateways: ['edge'],
    routes: policies,
  });
  const metricsOf = async (name: string): Promise<string> => {
    await (await mesh.fetch(name, 'http://orders/')).text();
    const answer = await fetch(`http://127.0.0.1:${mesh.proxy(name).metricsPort}/metrics`);
    return answer.text();
  };
  const renamed = /^http_client_request_duration_seconds_count\{.*network_protocol_version="1\.1".*\} 1$/m;
  try {
    assert.match(await metricsOf('web'), renamed);
    assert.doesNotMatch(await metricsOf('batch'), renamed);
    assert.doesNotMatch(await metricsOf('edge'), renamed);
    const ofAll = policies
      .split('---')[0]!
      .replace('of-web', 'of-all')
      .replace(/^ {2}selector:.*\n/m, '');
    await mesh.apply(ofAll, 'all.yaml');
    assert.match(await metricsOf('batch'), renamed);
    assert.match(await metricsOf('edge'), renamed);
  } finally {
    await mesh.stop();
  }
});
