/** Two HTTP/2 codecs over a network that splits, delays and cuts: whatever happens, bodies are what was sent, and nothing is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { http2Defaults } from '@weft/http';
import type { Random } from '@weft/kernel';
import { FakeClock, VirtualNetwork, forEachSeed } from '@weft/testkit';
import { SimSide } from './http2-pair.ts';
import type { CallPlan } from './http2-pair.ts';

const SEEDS = Number(process.env['WEFT_SEEDS'] ?? 1000);
const FIRST = Number(process.env['WEFT_FIRST_SEED'] ?? 1);
/** All that is planned happens within this; what hangs is seen behind it. */
const LONG_MS = 60_000;

test(`any split, window, interleaving, reset, GOAWAY or cut leaves bodies whole: ${SEEDS} seeds from ${FIRST}`, async () => {
  const seen = { calls: 0, whole: 0, resets: 0, drains: 0, cuts: 0, refused: 0 };
  await forEachSeed(SEEDS, (random) => simulate(random, seen), { first: FIRST });
  // A simulation in which something never happened would prove nothing of it.
  if (SEEDS >= 200) for (const [what, count] of Object.entries(seen)) assert.ok(count > 10, `${what}: ${count}`);
});

interface Seen {
  calls: number;
  whole: number;
  resets: number;
  drains: number;
  cuts: number;
  refused: number;
}

function simulate(random: Random, seen: Seen): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  const clock = new FakeClock();
  const network = new VirtualNetwork(clock, random);
  const plans = Array.from({ length: 2 + below(10) }, () => makePlan(random));
  const limits = () => ({
    ...http2Defaults,
    streamWindowBytes: random() < 0.3 ? 200 + below(3_000) : 3_000 + below(120_000),
    connectionWindowBytes: 65_535 + below(200_000),
    heldBytes: 20_000 + below(300_000),
    streamBufferBytes: 1 + below(40_000),
    connectionBufferBytes: 30_000 + below(300_000),
    turnBytes: 1000 + below(64_000),
    concurrentStreams: 2 + below(20),
    decoderTableBytes: below(3) * 2048,
  });
  const client = new SimSide(false, plans, limits(), clock, random);
  const server = new SimSide(true, plans, limits(), clock, random);
  const handlersOf = (side: SimSide) => ({
    onMessage: (payload: unknown) => side.feed(payload as Buffer),
    onClose: () => side.connection.eof(),
  });
  network.node('server').listen((link) => {
    server.attach(link);
    return handlersOf(server);
  });
  client.attach(network.node('client').open('server', handlersOf(client)));
  const unopened: number[] = [];
  for (let number = 0; number < plans.length; number += 1) {
    clock.at(random() * 150, () => attempt(client, number, unopened, clock));
  }
  const end = random();
  const at = random() * 200;
  const drains = end < 0.25;
  const hasty = end < 0.08;
  const cut = end > 0.93;
  if (drains) {
    const side = end < 0.15 ? server : client;
    clock.at(at, () => side.connection.drain());
    // A server that does not wait for the answer to its PING, as at the end of its patience.
    if (hasty) clock.at(at + random() * 3, () => server.connection.finishDrain());
  }
  if (cut) clock.at(at, () => client.link!.reset());
  if (cut) clock.at(at, () => client.connection.eof());
  clock.advance(LONG_MS);
  check(client, server, { drains, hasty, cut });
  seen.calls += client.streams.length;
  seen.whole += client.streams.filter(({ ended }) => ended).length;
  seen.resets += client.streams.filter(({ gaveUp, terminated }) => gaveUp || terminated.includes('reset-')).length;
  seen.drains += drains ? 1 : 0;
  seen.cuts += cut ? 1 : 0;
  seen.refused += client.streams.filter(({ terminated }) => terminated === 'stream-refused goaway').length;
}

/** Opens a call as soon as the connection takes it, unless it never will again. */
function attempt(client: SimSide, number: number, unopened: number[], clock: FakeClock): void {
  if (client.call(number) !== undefined) return;
  const { connection } = client;
  if (connection.dead || connection.draining || connection.goawaySeen) unopened.push(number);
  else clock.at(clock.nowMs() + 5, () => attempt(client, number, unopened, clock));
}

function makePlan(random: Random): CallPlan {
  const below = (limit: number): number => Math.floor(random() * limit);
  const reset = random() < 0.1 ? 'client' : random() < 0.1 ? 'server' : 'none';
  return {
    requestBytes: random() < 0.3 ? 0 : Math.floor(random() ** 2 * 60_000),
    responseBytes: random() < 0.2 ? 0 : Math.floor(random() ** 2 * 100_000),
    requestTrailers: random() < 0.2,
    responseTrailers: random() < 0.4,
    interims: random() < 0.1 ? 1 + below(3) : 0,
    early: random() < 0.3,
    reset,
    resetAfterBytes: 1 + below(20_000),
  };
}

function check(client: SimSide, server: SimSide, how: { drains: boolean; hasty: boolean; cut: boolean }): void {
  assert.equal(client.fault, '', 'the client blames the server');
  assert.equal(server.fault, '', 'the server blames the client');
  const byCall = new Map(server.streams.map((sim) => [sim.call, sim]));
  for (const near of client.streams) {
    const { plan, call } = near;
    const far = byCall.get(call);
    const what = `call ${call} ${JSON.stringify(plan)} near "${near.terminated}" far "${far?.terminated ?? ''}"`;
    assert.ok(near.received <= plan.responseBytes && (far?.received ?? 0) <= plan.requestBytes, what);
    if (near.terminated === 'stream-refused goaway') {
      // It may be sent elsewhere, so nobody may have seen it; and a drain that takes its time refuses nothing.
      assert.equal(far, undefined, what);
      assert.ok(how.hasty, what);
      continue;
    }
    if (near.terminated === 'stream-refused reset-refused-stream') {
      // Before the first SETTINGS nobody knows how many streams the server takes.
      assert.equal(far, undefined, what);
      assert.ok(near.hasty, what);
      continue;
    }
    if (how.cut && !(near.ended && far?.ended === true)) continue;
    if (near.gaveUp || far?.gaveUp === true) continue;
    assert.equal(near.terminated, '', what);
    assert.ok(near.ended && far !== undefined, what);
    assert.equal(near.received, plan.responseBytes, what);
    assert.equal(near.trailers, plan.responseTrailers ? String(plan.responseBytes) : '', what);
    assert.deepEqual(near.heads, [...Array.from({ length: plan.interims }, () => 103), 200], what);
    assert.equal(far.received, plan.requestBytes, what);
    assert.equal(far.trailers, plan.requestTrailers ? String(plan.requestBytes) : '', what);
    assert.ok(far.ended, what);
  }
  for (const side of [client, server]) {
    assert.equal(side.connection.streams, 0, 'streams are left open');
    assert.equal(side.connection.queuedBytes, 0, 'bytes are left waiting');
  }
  if (!how.drains && !how.cut) assert.equal(client.streams.length, client.plans.length, 'every call was opened');
}
