import { closeSync, openSync } from 'node:fs';
import { type Result, assert, fail, ok } from '@weft/kernel';

/** Does `act` in the network namespace of this path. Synchronous: programs that it starts are of that namespace. */
export type NamespaceEntry = <T>(path: string, act: () => T) => Result<T, string>;

/** linux/sched.h. */
const CLONE_NEWNET = 0x40_00_00_00;
const OWN = '/proc/self/ns/net';

/**
 * A thread may be in another network namespace than its process. This one goes there, starts a program, which is born where its
 * parent is, and comes back within the same turn, so that nothing else happens there. `setns` is called through `node:ffi`; it needs
 * CAP_SYS_ADMIN. A program for it (nsenter) would be one more in the image.
 *
 * The error is a sentence for where that cannot be.
 */
export function openNamespaces(): Result<NamespaceEntry, string> {
  if (process.platform !== 'linux') return fail('network namespaces are of Linux');
  const setns = loadSetns();
  if (setns === undefined)
    return fail(`Node ${process.versions.node} has no node:ffi, which enters network namespaces`);
  const own = openSync(OWN, 'r');
  return ok((path, act) => {
    let target: number;
    try {
      target = openSync(path, 'r');
    } catch (error) {
      return fail(`${path} cannot be opened (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    }
    const entered = setns(target, CLONE_NEWNET) === 0;
    closeSync(target);
    if (!entered)
      return fail(`${path} cannot be entered; it needs the capability SYS_ADMIN, and must be a network namespace`);
    try {
      return ok(act());
    } finally {
      // Everything this process did from now on would be done in the network of somebody else.
      assert(setns(own, CLONE_NEWNET) === 0, 'the own network namespace cannot be entered again');
    }
  });
}

type Setns = (fd: number, kind: number) => number;

function loadSetns(): Setns | undefined {
  const { emitWarning } = process;
  // As for the original destination: said to be experimental to whoever can do nothing about it.
  process.emitWarning = () => {};
  try {
    const ffi = process.getBuiltinModule('node:ffi');
    return ffi?.dlopen(null, { setns: { arguments: ['i32', 'i32'], return: 'i32' } }).functions.setns;
  } finally {
    process.emitWarning = emitWarning;
  }
}
