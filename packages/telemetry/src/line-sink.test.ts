import { deepEqual, equal, ok } from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TimerWheel, systemClock } from '@weft/kernel';
import { LineSink, type LineTarget, fileTarget, streamTarget } from './line-sink.ts';

/** A target that holds its writes until it is told how they ended. */
class HeldTarget implements LineTarget {
  readonly written: string[] = [];
  private done: ((error: Error | undefined) => void) | undefined;

  write(text: string, done: (error: Error | undefined) => void): void {
    ok(this.done === undefined, 'one write is under way at a time');
    this.written.push(text);
    this.done = done;
  }

  finish(error?: Error): void {
    const { done } = this;
    this.done = undefined;
    ok(done);
    done(error);
  }
}

const idle = (sink: LineSink): Promise<void> => new Promise((resolve) => sink.whenIdle(resolve));

describe('LineSink', () => {
  test('lines of one turn share one write, in order', async () => {
    const target = new HeldTarget();
    const sink = new LineSink(target);
    for (const line of ['a\n', 'b\n', 'c\n']) equal(sink.push(line), true);
    deepEqual(target.written, []);
    await nextTurn();
    deepEqual(target.written, ['a\nb\nc\n']);
    sink.push('d\n');
    target.finish();
    deepEqual(target.written, ['a\nb\nc\n', 'd\n']);
    target.finish();
    equal(sink.writtenLines, 4);
    await idle(sink);
  });

  test('a reader that has stopped costs dropped lines that are counted, and an unbroken run before them', async () => {
    const target = new HeldTarget();
    const sink = new LineSink(target, { maxLines: 10 });
    sink.push('first\n');
    await nextTurn();
    let dropped = 0;
    for (let index = 0; index < 1_000; index += 1) dropped += sink.push(`${index}\n`) ? 0 : 1;
    equal(dropped, 990);
    equal(sink.droppedLines, 990);
    equal(sink.waitingLines, 10);
    target.finish();
    equal(target.written[1], '0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n');
    target.finish();
    equal(sink.writtenLines, 11);
    equal(sink.push('again\n'), true);
  });

  test('long lines are bounded by their characters', () => {
    const sink = new LineSink(new HeldTarget(), { maxChars: 100 });
    equal(sink.push('x'.repeat(60)), true);
    equal(sink.push('x'.repeat(60)), false);
    equal(sink.push('x'.repeat(40)), true);
    equal(sink.push('x'), false);
  });

  test('a failed write loses its batch, says so, and the next one goes on', async () => {
    const target = new HeldTarget();
    const sink = new LineSink(target);
    sink.push('a\n');
    await nextTurn();
    sink.push('b\n');
    target.finish(new Error('disk full'));
    equal(sink.droppedLines, 1);
    deepEqual(target.written, ['a\n', 'b\n']);
    target.finish();
    equal(sink.writtenLines, 1);
    await idle(sink);
  });

  test('a long queue leaves in batches and every line exactly once', async () => {
    const target = new HeldTarget();
    const sink = new LineSink(target);
    const lines = Array.from({ length: 5_000 }, (_, index) => `${String(index).padStart(99, '0')}\n`);
    for (const line of lines) sink.push(line);
    await nextTurn();
    while (sink.writtenLines < lines.length) target.finish();
    equal(target.written.join(''), lines.join(''));
    ok(target.written.every((text) => text.length <= 65_536 + 100));
    equal(sink.waitingLines, 0);
  });
});

describe('targets', () => {
  test('a file gets every byte, in order, whatever characters the lines hold', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'line-sink-'));
    const fd = openSync(join(folder, 'log'), 'w');
    const sink = new LineSink(fileTarget(fd, new TimerWheel(systemClock)));
    let expected = '';
    for (let index = 0; index < 3_000; index += 1) {
      const line = `${index} é€😀\n`;
      expected += line;
      sink.push(line);
    }
    await idle(sink);
    equal(readFileSync(join(folder, 'log'), 'utf8'), expected);
    equal(sink.writtenLines, 3_000);
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  test('a descriptor that takes nothing counts what it lost', async () => {
    const fd = openSync('/dev/null', 'r');
    const sink = new LineSink(fileTarget(fd, new TimerWheel(systemClock)));
    sink.push('a\n');
    await idle(sink);
    equal(sink.droppedLines, 1);
    closeSync(fd);
  });

  test('a stream is waited for, and its failure is counted', async () => {
    const stream = new PassThrough();
    const sink = new LineSink(streamTarget(stream));
    sink.push('a\n');
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    equal(chunk.toString(), 'a\n');
    await idle(sink);
    stream.on('error', () => {});
    stream.destroy();
    sink.push('b\n');
    await idle(sink);
    equal(sink.droppedLines, 1);
  });
});
