import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import { RecordedLog } from './control-harness.ts';
import { EventLog } from './event-log.ts';

test('the newest events are remembered, said in the log, and told to those who watch until they stop', () => {
  const log = new RecordedLog();
  const events = new EventLog('one', new FakeClock(), log, 3);
  for (let count = 0; count < 5; count += 1) events.add('warning', 'type', 'subject', `message ${count}`);
  const seen: string[] = [];
  const stop = events.watch(({ message }) => seen.push(message));
  assert.deepEqual(seen, ['message 2', 'message 3', 'message 4']);
  events.add('info', 'type', 'subject', 'message 5');
  stop();
  events.add('error', 'type', 'subject', 'message 6');
  assert.equal(seen.at(-1), 'message 5');
  assert.deepEqual(log.lines.slice(-2), ['info message 5', 'error message 6']);
});
