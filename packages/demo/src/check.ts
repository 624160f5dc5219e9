import { brokenFile } from './facts/broken-file.ts';
import { canarySplit } from './facts/canary-split.ts';
import { configEdit } from './facts/config-edit.ts';
import { controlOutage } from './facts/control-outage.ts';
import { databaseTraffic } from './facts/database-traffic.ts';
import { drainedSidecar } from './facts/drained-sidecar.ts';
import { ejectedInstance } from './facts/ejected-instance.ts';
import type { Fact, Finding, Trial } from './facts/fact.ts';
import { grpcCalls } from './facts/grpc-calls.ts';
import { hopIdentity } from './facts/hop-identity.ts';
import { idlePosts } from './facts/idle-posts.ts';
import { metricsTruth } from './facts/metrics-truth.ts';
import { openBreaker } from './facts/open-breaker.ts';
import { rotatedLeaves } from './facts/rotated-leaves.ts';
import { slowInstance } from './facts/slow-instance.ts';
import { strangers } from './facts/strangers.ts';
import { webSocket } from './facts/web-socket.ts';
import { writeTable } from './fact-table.ts';
import type { ProcessSupervisor } from './process-supervisor.ts';
import { Shop } from './shop.ts';
import { ShortLivedMesh } from './short-lived-mesh.ts';

export interface Settled extends Fact, Finding {
  readonly tookMs: number;
}

/** First and alone: it counts all that reaches any service. */
const firstTrials: readonly Trial<Shop>[] = [hopIdentity];

/** One after another: each changes what the next would measure. Several callers are used, as each has its own view. */
const shopTrials: readonly Trial<Shop>[] = [
  canarySplit,
  metricsTruth,
  slowInstance,
  ejectedInstance,
  configEdit,
  brokenFile,
  drainedSidecar,
  openBreaker,
  controlOutage,
];

/** They use services that the others leave alone, but the same processors: before those, which judge by milliseconds. */
const protocolTrials: readonly Trial<Shop>[] = [grpcCalls, databaseTraffic, webSocket];

/** Their mesh is another one, with processes of its own: they run beside those of the shop. Inner lists run together. */
const shortLivedTrials: readonly (readonly Trial<ShortLivedMesh>[])[] = [[rotatedLeaves, idlePosts], [strangers]];

/**
 * Runs every trial, says each finding as it is made, and prints the table. `only` keeps those with a fact whose name
 * contains it. Resolves to whether all are well.
 */
export async function check(
  supervisor: ProcessSupervisor,
  only: string,
  say: (line: string) => void,
): Promise<boolean> {
  const startMs = performance.now();
  const seconds = (): string => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
  const wanted = ({ facts }: { facts: readonly Fact[] }): boolean => facts.some(({ name }) => name.includes(only));
  const settled: Settled[] = [];
  const settle = async <Mesh>(trial: Trial<Mesh>, mesh: Mesh): Promise<void> => {
    const added = await runTrial(trial, mesh);
    settled.push(...added);
    for (const { ok, name, measured } of added) say(`${seconds()}  ${ok ? 'ok    ' : 'FAILED'}  ${name}: ${measured}`);
  };

  const isBeside = shortLivedTrials.flat().some(wanted);
  // Both before the first trial: what starts takes the processor from what is measured.
  const [shop, shortLived] = await Promise.all([
    Shop.start(supervisor),
    isBeside ? ShortLivedMesh.start(supervisor) : undefined,
  ]);
  say(`${seconds()}  ${describeShop(shop)}`);
  const shopLane = async (): Promise<void> => {
    const inTurn = async (trials: readonly Trial<Shop>[]): Promise<void> => {
      for (const trial of trials.filter(wanted)) await settle(trial, shop);
    };
    await inTurn(firstTrials);
    await inTurn(protocolTrials);
    await inTurn(shopTrials);
  };
  const shortLivedLane = async (): Promise<void> => {
    if (shortLived === undefined) return;
    for (const stage of shortLivedTrials) {
      await Promise.all(stage.filter(wanted).map((trial) => settle(trial, shortLived)));
    }
  };
  await Promise.all([shopLane(), shortLivedLane()]);

  const trials = [...firstTrials, ...protocolTrials, ...shopTrials, ...shortLivedTrials.flat()];
  const order = trials.flatMap(({ facts }) => facts.map(({ name }) => name));
  settled.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  say('');
  for (const line of writeTable(settled)) say(line);
  const failed = settled.filter(({ ok }) => !ok).length;
  say('');
  say(`${settled.length - failed} of ${settled.length} facts hold; ${seconds()}`);
  return failed === 0;
}

/** What a person wants to know of what runs. */
export function describeShop(shop: Shop): string {
  const cart =
    shop.python === '' ? 'no python3 here, so the cart runs on Node' : `the cart is a Python program (${shop.python})`;
  const { redis } = shop.database.server;
  const database =
    redis === '' ? 'no redis-server here, so the database is a small one on Node' : `the database is ${redis}`;
  return `${shop.instances.size + 1} programs, ${shop.sidecars.length} proxies and a control plane carry traffic; ${cart}; ${database}`;
}

async function runTrial<Mesh>(trial: Trial<Mesh>, mesh: Mesh): Promise<Settled[]> {
  const startMs = performance.now();
  let findings: readonly Finding[];
  try {
    findings = await trial.run(mesh);
  } catch (error) {
    const measured = (error as Error).message;
    findings = trial.facts.map(() => ({ ok: false, measured }));
  }
  const tookMs = performance.now() - startMs;
  return trial.facts.map((fact, index) => ({ ...fact, ...findings[index]!, tookMs }));
}
