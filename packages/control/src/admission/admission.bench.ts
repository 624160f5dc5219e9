/**
 * How long an answer to the API server takes, without the network: `node packages/control/src/admission/admission.bench.ts`.
 * Pods of 2 and of 40 containers with probes, read from text and answered as text; prints median, p99 and the largest.
 */
import { answerInjection } from './admission-desk.ts';
import { readReview, writeReview } from './admission-review.ts';

const ROUNDS = 5_000;

for (const count of [2, 40]) {
  const containers = Array.from({ length: count }, (_, index) => ({
    name: `c${index}`,
    image: 'registry.example/app:1',
    env: Array.from({ length: 30 }, (_each, at) => ({ name: `VARIABLE_${at}`, value: `value ${at}` })),
    ports: [{ name: 'http', containerPort: 8080 + index }],
    livenessProbe: { httpGet: { path: '/live', port: 'http' } },
    readinessProbe: { grpc: { port: 9090 } },
  }));
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'cart-',
      labels: { app: 'cart' },
      annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080' },
    },
    spec: { containers },
  };
  const request = { uid: 'u', operation: 'CREATE', namespace: 'shop', object };
  const body = JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startMs = performance.now();
    const question = readReview(body);
    if (!question.ok) throw new Error(question.error);
    const answer = answerInjection(
      question.value,
      'namespace',
      {
        image: 'weft:test',
        imagePullPolicy: '',
        imagePullSecrets: [],
        controlAddress: 'weft-control.weft-system.svc:15012',
        trustDomain: 'cluster.local',
        rootsPem: 'x'.repeat(1_000),
        tokenAudience: 'weft',
        capture: 'Redirect',
        legacyIptables: false,
        cni: false,
        logLevel: 'info',
        size: 'standard',
      },
      () => {},
      () => '',
    );
    if (answer.patch.length !== 4) throw new Error(`${answer.patch.length} operations`);
    writeReview('u', answer);
    times.push(performance.now() - startMs);
  }
  times.sort((left, right) => left - right);
  const at = (share: number): string => `${times[Math.floor(share * (times.length - 1))]!.toFixed(3)} ms`;
  console.log(`${count} containers, ${body.length} bytes: median ${at(0.5)}, p99 ${at(0.99)}, largest ${at(1)}`);
}
