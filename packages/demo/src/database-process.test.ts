import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DatabaseProcess } from './database-process.ts';
import { ProcessSupervisor } from './process-supervisor.ts';

const supervisor = new ProcessSupervisor(mkdtempSync(join(tmpdir(), 'weft-database-')), false);
after(() => supervisor.stopAll(false));

for (const kind of ['redis', 'stand-in'] as const) {
  test(`${kind}: counts what came, without what was asked to know it`, async (context) => {
    const database = await DatabaseProcess.start(supervisor, kind, kind === 'redis' ? undefined : '');
    if (kind === 'redis' && database.redis === '') {
      context.skip('needs redis-server: apt-get install redis-server');
      return;
    }
    const before = await database.counts();
    const words = ['*3\r\n$3\r\nSET\r\n$3\r\ntea\r\n$3\r\n990\r\n', '*2\r\n$3\r\nGET\r\n$3\r\ntea\r\n'];
    assert.equal(await talk(database.port, words.join(''), '+OK\r\n$3\r\n990\r\n'), '+OK\r\n$3\r\n990\r\n');
    // In any pieces.
    const pieces = ['*2\r\n$3\r\nGE', 'T\r\n$4\r\nmilk\r\n'] as const;
    assert.equal(await talk(database.port, pieces[0], '$-1\r\n', pieces[1]), '$-1\r\n');
    const after = await database.counts();
    assert.deepEqual(
      {
        connections: after.connections - before.connections,
        commands: after.commands - before.commands,
        receivedBytes: after.receivedBytes - before.receivedBytes,
        sentBytes: after.sentBytes - before.sentBytes,
      },
      { connections: 2, commands: 3, receivedBytes: [...words, ...pieces].join('').length, sentBytes: 19 },
    );
  });
}

/** Sends, and gives what came once it is as long as `until`; `rest` follows a moment later. */
function talk(port: number, text: string, until: string, rest = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.setNoDelay(true);
      socket.write(text, () => void setImmediate(() => void (rest !== '' && socket.write(rest))));
    });
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (answer.length < until.length) return;
      socket.end();
      resolve(answer);
    });
    socket.on('error', reject);
  });
}
