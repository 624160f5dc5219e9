import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStraceCounts } from './syscalls.ts';

const table = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 55.10    0.110000           5     20000           write
 40.00    0.080000           4     19000       100 read
  4.90    0.009800           9      1000           epoll_pwait
------ ----------- ----------- --------- --------- ----------------
100.00    0.199800           4     40000       100 total
`;

test('calls are counted with and without errors, the total line is not a call', () => {
  const { total, most } = readStraceCounts(table);
  assert.equal(total, 40_000);
  assert.equal(most, 'write 50 %, read 48 %, epoll_pwait 3 %');
});

test('an empty table is said with its first line', () => {
  assert.throws(() => readStraceCounts('strace: attach: Operation not permitted\n'), /Operation not permitted/);
});
