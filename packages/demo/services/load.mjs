// The load generator. Open loop: requests leave when they are due, whether or not earlier ones have been answered, and
// latency counts from the moment a request was due. It counts by itself. Commands arrive as JSON lines on standard input,
// each {"call", "op", ...}; answers leave as JSON lines {"call", ...} on standard output.
import http from 'node:http';
import { createInterface } from 'node:readline';

const runs = new Map();
const TIMEOUT_MS = 30_000;

class Run {
  constructor({
    proxyPort,
    url,
    rate,
    limit = Infinity,
    method = 'GET',
    bodyBytes = 0,
    jitter = 0,
    burst = 1,
    connections = 256,
  }) {
    const target = new URL(url);
    this.agent = new http.Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' });
    this.options = {
      host: '127.0.0.1',
      port: proxyPort,
      // To an explicit proxy the whole URL is the target (RFC 9112 section 3.2.2).
      path: url,
      method,
      headers: { host: target.host },
      agent: this.agent,
    };
    this.body = bodyBytes > 0 ? Buffer.alloc(bodyBytes, 'x') : undefined;
    if (this.body !== undefined) this.options.headers['content-length'] = bodyBytes;
    this.gapMs = 1000 / rate;
    this.jitter = jitter;
    this.burst = burst;
    this.limit = limit;
    this.total = freshCounts();
    this.window = freshCounts();
    this.inFlight = 0;
    this.dueMs = performance.now();
    this.stopped = false;
    this.idle = null;
    this.tick();
  }

  tick() {
    if (this.stopped) return;
    const now = performance.now();
    while (this.dueMs <= now && this.total.sent < this.limit) {
      for (let i = 0; i < this.burst; i += 1) this.send(this.dueMs);
      this.dueMs += this.gapMs * (1 + this.jitter * (Math.random() * 2 - 1));
    }
    if (this.total.sent >= this.limit) {
      this.stopped = true;
      this.checkIdle();
      return;
    }
    this.timer = setTimeout(() => this.tick(), Math.max(1, this.dueMs - performance.now()));
  }

  send(dueMs) {
    const sentMs = performance.now();
    this.total.sent += 1;
    this.window.sent += 1;
    this.inFlight += 1;
    let ended = false;
    const end = (status, reason, headers) => {
      if (ended) return;
      ended = true;
      this.inFlight -= 1;
      const now = performance.now();
      for (const counts of [this.total, this.window]) count(counts, status, reason, headers, now - dueMs, now - sentMs);
      this.checkIdle();
    };
    const request = http.request({ ...this.options, timeout: TIMEOUT_MS });
    request.on('response', (response) => {
      response.resume();
      response.on('end', () => {
        if (response.complete) end(response.statusCode, '', response.headers);
      });
      response.on('error', (error) => end(0, error.code ?? error.message, {}));
      response.on('close', () => end(0, 'response cut', {}));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in 30 s')));
    request.on('error', (error) => end(0, error.code ?? error.message, {}));
    request.end(this.body);
  }

  checkIdle() {
    if (this.stopped && this.inFlight === 0 && this.idle !== null) this.idle();
  }

  /** Sends nothing more and waits for what is under way. */
  async finish() {
    if (this.limit === Infinity) this.stop();
    if (!this.stopped || this.inFlight > 0) await new Promise((resolve) => (this.idle = resolve));
    this.agent.destroy();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}

function freshCounts() {
  return {
    startMs: performance.now(),
    sent: 0,
    ok: 0,
    failed: 0,
    statuses: {},
    refused: {},
    instances: {},
    versions: {},
    errors: {},
    latencies: [],
    serviceMs: [],
    refusalMs: [],
  };
}

function count(counts, status, reason, headers, latencyMs, serviceMs) {
  // A failure is what a caller would call one: no whole answer, or a server's error.
  if (status === 0 || status >= 500) counts.failed += 1;
  else counts.ok += 1;
  const add = (table, key) => (table[key] = (table[key] ?? 0) + 1);
  add(counts.statuses, status);
  if (reason !== '') add(counts.errors, reason);
  const refused = headers['weft-refused'];
  if (refused !== undefined) {
    add(counts.refused, refused);
    counts.refusalMs.push(serviceMs);
  } else if (status >= 500) add(counts.errors, `${status} by ${headers['x-instance'] ?? '(no instance)'}`);
  if (headers['x-instance'] !== undefined) add(counts.instances, headers['x-instance']);
  if (headers['x-version']) add(counts.versions, headers['x-version']);
  counts.latencies.push(latencyMs);
  counts.serviceMs.push(serviceMs);
}

function describe(counts) {
  const { startMs, latencies, serviceMs, refusalMs, ...rest } = counts;
  return {
    ...rest,
    elapsedMs: performance.now() - startMs,
    latency: quantiles(latencies),
    service: quantiles(serviceMs),
    refusal: quantiles(refusalMs),
  };
}

function quantiles(samples) {
  if (samples.length === 0) return { p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0, count: 0 };
  const sorted = Float64Array.from(samples).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: sorted.at(-1), count: sorted.length };
}

const operations = {
  start(command) {
    runs.set(command.run, new Run(command));
    return {};
  },
  /** The counts since the last `window` call, and those of the whole run. */
  window({ run }) {
    const held = runs.get(run);
    const window = describe(held.window);
    held.window = freshCounts();
    return { window };
  },
  read({ run }) {
    return { total: describe(runs.get(run).total) };
  },
  async finish({ run }) {
    const held = runs.get(run);
    await held.finish();
    runs.delete(run);
    return { total: describe(held.total) };
  },
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const command = JSON.parse(line);
  try {
    answer({ call: command.call, ...(await operations[command.op](command)) });
  } catch (error) {
    answer({ call: command.call, error: error.message });
  }
});
// Whoever gave the orders is gone.
lines.on('close', () => process.exit(0));
process.on('SIGINT', () => {});
answer({ ready: true });
