import { setTimeout as sleep } from 'node:timers/promises';
import type { SubjectName, Taken } from '../figure.ts';
import { BytesDriver } from '../load/bytes-driver.ts';
import { MixedDriver } from '../load/mixed-driver.ts';
import { percentile } from '../statistics.ts';
import { benchHost } from '../subjects/subject.ts';
import { deployAll } from './measure.ts';
import type { BenchContext, Deployed, Measure, Shape } from './measure.ts';

const RATE = 500;
const CONNECTIONS = 16;
const WARM_UP_SECONDS = 4;
const SETTLE_MS = 300;
const MEBIBYTE = 1_048_576;

/** Each of them carries bytes there and back. */
const BYTES_CONNECTIONS = 2;

/** What large transfers do to small calls that share two sidecars, and perhaps a connection, with them. */
export const mixed: Measure = {
  name: 'mixed',
  what: '100 MiB up and down through two sidecars beside 500 small calls/s: p99 of these over that without',
  byDefault: true,
  async take(context) {
    const carrier = new MixedDriver(context.workbench, true);
    const bulk: Bulk = {
      peers: ['haproxy', 'nginx', 'envoy'],
      async carry({ port }, seconds) {
        const carried = await carrier.run({ do: 'bulk', port, host: benchHost, seconds });
        const { uploadedBytes = 0, downloadedBytes = 0, errors, lastError = '' } = carried;
        if (errors > 0) throw new Error(`${errors} large transfers failed: ${lastError}`);
        return `${rateOf(uploadedBytes, seconds)} MiB/s up, ${rateOf(downloadedBytes, seconds)} down`;
      },
      stop: () => carrier.stop(),
    };
    return takeMixed(context, 'mixed', 'pair', bulk);
  },
};

/** The same with bulk that nobody looks into, over connections of its own. */
export const mixedTcp: Measure = {
  name: 'mixed-tcp',
  what: 'TCP at full speed through two sidecars with mutual TLS beside 500 small calls/s: p99 of these over that without',
  byDefault: true,
  take: async (context) => takeMixed(context, 'mixed-tcp', 'pair', await bulkOfBytes(context)),
};

export const mixedTcpPlain: Measure = {
  name: 'mixed-tcp-plain',
  what: 'TCP at full speed through one proxy beside 500 small calls/s: p99 of these over that without',
  byDefault: true,
  take: async (context) => takeMixed(context, 'mixed-tcp-plain', 'one', await bulkOfBytes(context)),
};

/** What is carried beside the small calls. */
interface Bulk {
  readonly peers: readonly SubjectName[];
  /** Of its upstream, where it is not that of the small calls. */
  readonly bytesPort?: number;
  /** For so many seconds. Resolves with what was carried, for the report; rejects when something failed. */
  carry(through: Deployed, seconds: number): Promise<string>;
  stop(): Promise<void>;
}

async function bulkOfBytes({ workbench }: BenchContext): Promise<Bulk> {
  const carrier = new BytesDriver(workbench, true);
  const { port: bytesPort } = await carrier.run({ do: 'upstream' });
  return {
    peers: ['haproxy'],
    bytesPort: bytesPort!,
    async carry({ bytesPort: port }, seconds) {
      const { bytes = 0, errors } = await carrier.run({
        do: 'echo',
        port: port!,
        connections: BYTES_CONNECTIONS,
        seconds,
      });
      if (errors !== 0 || bytes === 0) throw new Error(`${errors} connections ended, ${bytes} bytes came back`);
      return `${rateOf(bytes, seconds)} MiB/s there and back`;
    },
    stop: () => carrier.stop(),
  };
}

function rateOf(bytes: number, seconds: number): string {
  return (bytes / seconds / MEBIBYTE).toFixed(0);
}

async function takeMixed(context: BenchContext, name: string, shape: Shape, bulk: Bulk): Promise<Taken[]> {
  const { options, say, workbench } = context;
  const rounds: Partial<Record<SubjectName, number[]>> = {};
  const notes: string[] = [];
  const upstream = new MixedDriver(workbench);
  const { port: upstreamPort } = await upstream.run({ do: 'upstream' });
  const caller = new MixedDriver(workbench);
  const beside = bulk.bytesPort === undefined ? {} : { bytesPort: bulk.bytesPort };
  const deployment = await deployAll(context, shape, upstreamPort!, ['weft', ...bulk.peers], beside);
  try {
    for (let round = 0; round <= options.rounds; round += 1) {
      const seconds = round === 0 ? WARM_UP_SECONDS : (options.seconds ?? 5);
      const line: string[] = [];
      for (const through of deployment.deployed) {
        const p99 = async (): Promise<number> => {
          const calls = { port: through.port, host: benchHost, rate: RATE, connections: CONNECTIONS };
          const taken = await caller.run({ do: 'calls', ...calls, seconds });
          if (taken.errors > 0) throw new Error(`${through.name}: ${taken.errors} small calls failed`);
          return percentile(taken.latencyMs ?? [], 0.99);
        };
        const aloneMs = await p99();
        const [besideMs, text] = await Promise.all([sleep(SETTLE_MS).then(p99), bulk.carry(through, seconds + 1)]);
        if (round === 0) continue;
        (rounds[through.name] ??= []).push(besideMs / aloneMs);
        line.push(`${through.name} ${aloneMs.toFixed(2)} to ${besideMs.toFixed(2)} ms beside ${text}`);
      }
      if (round > 0) say(`round ${round}, p99: ${line.join('; ')}`);
      if (round === options.rounds) notes.push(...line);
    }
  } finally {
    await Promise.all([deployment.stop(), caller.stop(), bulk.stop(), upstream.stop()]);
  }
  return [
    {
      name,
      unit: 'x',
      rounds,
      limits: [{ kind: 'value', against: [], must: 3, goal: 1.5 }],
      absent: deployment.absent,
      notes,
    },
  ];
}
