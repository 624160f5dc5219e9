/** What earlier releases said over Sync, as `npm run test:skew -- --record` wrote it down, is understood by this one. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { decodeResource, encodeResource } from './resource-codec.ts';
import { clientMessage, serverMessage } from './sync-message.ts';

interface Transcript {
  readonly version: string;
  readonly server: readonly string[];
  readonly client: readonly string[];
}

const folder = new URL('../../../test/skew/transcripts/', import.meta.url);
const transcripts = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Transcript);

test('there are transcripts', () => {
  assert.ok(transcripts.length > 0);
});

for (const { version, server, client } of transcripts) {
  test(`the control plane of ${version} is understood, all its resources too`, () => {
    const kinds = new Set<string>();
    for (const text of server) {
      const decoded = serverMessage.decode(Buffer.from(text, 'base64'));
      assert.ok(decoded.ok, JSON.stringify(decoded));
      kinds.add(decoded.value.type);
      if (decoded.value.type !== 'transaction') continue;
      for (const { key, body } of decoded.value.transaction.upserts) {
        const read = decodeResource(key, body);
        assert.ok(read.ok, `${key}: ${JSON.stringify(read)}`);
        kinds.add(read.value.type);
        assert.deepEqual(decodeResource(key, encodeResource(read.value)), read);
      }
    }
    for (const kind of ['welcome', 'transaction', 'routes', 'backend', 'endpoints', 'inbound']) {
      assert.ok(kinds.has(kind), `${kind} is among ${[...kinds].join(', ')}`);
    }
  });

  test(`sidecars of ${version} are understood`, () => {
    const kinds = new Set<string>();
    for (const text of client) {
      const decoded = clientMessage.decode(Buffer.from(text, 'base64'));
      assert.ok(decoded.ok, JSON.stringify(decoded));
      kinds.add(decoded.value.type);
    }
    for (const kind of ['hello', 'subscribe', 'ack', 'report']) {
      assert.ok(kinds.has(kind), `${kind} is among ${[...kinds].join(', ')}`);
    }
  });
}
