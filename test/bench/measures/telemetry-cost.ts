import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { weftProgram } from '@weft/cli';
import { medianInterval, ratios } from '../statistics.ts';
import { variedWeft } from '../subjects/weft.ts';
import { takeBesideRounds } from './beside-rounds.ts';
import type { Measure } from './measure.ts';

const silent = fileURLToPath(new URL('../subjects/silent-recorder-program.ts', import.meta.url));

/** Some thousand spans have been sent by then: only then their exporter is compiled. */
const WARM_UP_REQUESTS = 200_000;
const WINDOW_SECONDS = 2;

/** What a user pays who has everything told, beside a sidecar that does the same work and tells nothing. */
export const telemetryCost: Measure = {
  name: 'telemetry-cost',
  what: 'metrics, 1 % traces, decision ring, errors logged, against a recorder that does nothing: CPU per request',
  byDefault: true,
  async take(context) {
    const receiver = new SpanReceiver();
    const port = await receiver.listen();
    const full = variedWeft('weft', 'all telemetry', {
      program: [weftProgram, 'proxy'],
      flags: { 'access-log': 'errors', 'traces-to': `otlp-http://127.0.0.1:${port}`, 'traces-share': '0.01' },
    });
    const none = variedWeft('other', 'no telemetry', { program: ['--import', silent, weftProgram, 'proxy'] });
    try {
      const { rounds: wanted, seconds = 5 } = context.options;
      const rounds = await takeBesideRounds(
        { ...context, subjects: [full, none] },
        {
          connections: 16,
          warmUpRequests: WARM_UP_REQUESTS,
          windows: Math.ceil((wanted * seconds) / WINDOW_SECONDS),
          windowSeconds: WINDOW_SECONDS,
        },
      );
      const each = ratios(rounds.weft ?? [], rounds.other ?? []);
      const [low, high] = medianInterval(each);
      if (receiver.batches === 0) throw new Error('no spans came: the sidecar did not tell all');
      return [
        {
          rounds,
          absent: [],
          name: 'telemetry-cost',
          unit: 'us/request',
          limits: [{ kind: 'ratio', against: ['other'], must: 1.12, goal: 1.05 }],
          notes: [
            `median of ${each.length} windows of ${WINDOW_SECONDS} s: 95 % between ${low.toFixed(3)} and ${high.toFixed(3)}`,
            `${receiver.batches} batches of spans came`,
          ],
        },
      ];
    } finally {
      await receiver.close();
    }
  },
};

/** Takes what an exporter sends and forgets it. */
class SpanReceiver {
  batches: number;
  private readonly server: Server;

  constructor() {
    this.batches = 0;
    this.server = createServer((request, response) => {
      this.batches += 1;
      request.resume();
      request.once('end', () => response.end());
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => void this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
