import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import type { Random } from '@weft/kernel';
import { forEachSeed } from '@weft/testkit';
import { ConnectionRecorder } from '../../../packages/http/src/http2/event-recorder.ts';
import { http2Defaults } from '@weft/http';
import { randomFields } from '../../../packages/http/src/http2/hpack/encoded-fields.ts';

const SEEDS = 40;
const HEADS = 15;

/** nghttp2, which is what node:http2 is made of, is the second implementation that every machine has. */
test(`heads that nghttp2 codes are read as they were, and it reads ours, over tables of any size: ${SEEDS} seeds`, async () => {
  await forEachSeed(SEEDS, converse);
});

async function converse(random: Random): Promise<void> {
  const below = (limit: number): number => Math.floor(random() * limit);
  const limits = { ...http2Defaults, decoderTableBytes: [0, 100, 4096, 16_384][below(4)]! };
  const [near, far] = duplexPair();
  const server = new ConnectionRecorder('server', limits);
  const { connection } = server;
  const flush = (): void => {
    while (connection.output.length > 0 && !far.destroyed) far.write(server.take());
  };
  server.onOutput = () => setImmediate(flush);
  far.on('data', (chunk: Buffer) => connection.feed(chunk, 0, chunk.length, 0));
  flush();
  const session = connect('http://host.example', {
    createConnection: () => near,
    settings: { headerTableSize: [0, 200, 4096, 65_536][below(4)]! },
  });
  await once(session, 'remoteSettings');
  for (let count = 0; count < HEADS; count += 1) {
    const sent = singles(randomFields(random, true));
    const back = singles(randomFields(random, true)).filter(([name]) => !name.startsWith(':'));
    server.onRequest = (request) => {
      request.onWhole = () => {
        const fields = back.map(([name, value]) => ({ name, value }));
        request.stream!.sendReply({ status: 200, fields, contentType: 'text/plain', body: '' });
      };
    };
    const stream = session.request(Object.fromEntries(sent), { endStream: true });
    stream.resume();
    const closed = once(stream, 'close');
    const [headers] = (await once(stream, 'response')) as [Record<string, string>];
    await closed;
    const { head } = server.streams.at(-1)!;
    const said = new Map(sent);
    const target = `${head!.path}${head!.query === '' ? '' : `?${head!.query}`}`;
    assert.deepEqual([head!.method, head!.authority], [said.get(':method'), said.get(':authority')]);
    assert.equal(target, said.get(':path'));
    for (const [name, value] of sent) if (!name.startsWith(':')) assert.equal(head!.valueOf(name), value, name);
    for (const [name, value] of back) assert.equal(headers[name], value, name);
  }
  assert.equal(server.detail, '');
  session.destroy();
  far.destroy();
}

/** Fields by names that occur once; those that an object cannot hold twice are not what this is about. */
function singles(fields: readonly (readonly [string, string])[]): [string, string][] {
  return [...new Map(fields.map(([name, value]) => [name, name === ':path' ? value.split('#')[0]! : value]))];
}
