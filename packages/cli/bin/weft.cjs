#!/usr/bin/env node
// The way in. Whatever Node runs this, old ones too, so it keeps to syntax that Node 12 reads: its only work is to find the
// Node that Weft is made for and to become it.
'use strict';

const childProcess = require('child_process');
const fs = require('fs');
const modules = require('module');
const os = require('os');
const path = require('path');
const url = require('url');

const NEEDED_MAJOR = 26;

// A small young generation, and one helper thread beside the one that serves. The reasons, and the same numbers for sidecars that
// `weft run` starts, stand in src/node-start.ts; a test holds both together.
const V8_FLAGS = { proxy: ['--max-semi-space-size=1', '--v8-pool-size=1'] };
// One heap for all threads of a proxy that serves with one of them: said there as well.
const ONE_HEAP = { name: 'MALLOC_ARENA_MAX', value: '1' };

main();

function main() {
  const node = findNode();
  if (node === '') {
    fail(
      'weft needs Node ' +
        NEEDED_MAJOR +
        ' or newer and found only ' +
        process.version +
        '; run `npm ci` without --omit=optional in the folder of the package to get it, or install Node ' +
        NEEDED_MAJOR,
    );
    return;
  }
  const argv = process.argv.slice(2);
  const args = nodeOptions(argv).concat(findProgram(argv));
  const env = withOneHeap(withCompileCache(process.env), argv);
  if (isHere(node, args, argv, env)) return;
  if (becomes(node, args, env)) return;
  runBeside(node, args, argv, env);
}

/** The pinned one of the platform's package, else this one if it is new enough, else ''. */
function findNode() {
  const name = 'node-' + process.platform + '-' + process.arch;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  try {
    return require.resolve(name + '/bin/' + file);
  } catch {
    return parseInt(process.versions.node, 10) >= NEEDED_MAJOR ? process.execPath : '';
  }
}

/** The bundles of a published package; in the repository its own if they are newer than the source, else the source. */
function findProgram(argv) {
  const published = path.join(__dirname, '../dist');
  if (fs.existsSync(path.join(published, 'weft.mjs'))) return bundleFor(published, argv);
  const packages = path.join(__dirname, '../..');
  const built = path.join(packages, '../dist');
  const bundle = path.join(built, 'weft.mjs');
  if (fs.existsSync(bundle) && !isOlder(fs.statSync(bundle).mtimeMs, packages)) return bundleFor(built, argv);
  return [path.join(__dirname, '../src/main.ts')].concat(argv);
}

/** What starts with each pod has a bundle of its own: a sidecar's is a third smaller, and capture is up in a tenth of the time. */
function bundleFor(folder, argv) {
  const own = path.join(folder, 'weft-' + argv[0] + '.mjs');
  if ((argv[0] === 'proxy' || argv[0] === 'capture') && fs.existsSync(own)) return [own].concat(argv.slice(1));
  return [path.join(folder, 'weft.mjs')].concat(argv);
}

/** Whether any source changed after `atMs`: an old bundle would run what nobody sees any more. A few milliseconds. */
function isOlder(atMs, packages) {
  return fs.readdirSync(packages).some(function (name) {
    return hasNewer(path.join(packages, name, 'src'), atMs);
  });
}

function hasNewer(folder, atMs) {
  let entries;
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return false;
  }
  return entries.some(function (entry) {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? hasNewer(file, atMs) : fs.statSync(file).mtimeMs > atMs;
  });
}

/** Those that nobody has said yet: injected sidecars have them in NODE_OPTIONS. */
function nodeOptions(argv) {
  const wanted = Object.prototype.hasOwnProperty.call(V8_FLAGS, argv[0]) ? V8_FLAGS[argv[0]] : [];
  const said = process.execArgv.concat((process.env.NODE_OPTIONS || '').split(' '));
  return wanted.filter(function (flag) {
    return !said.some(function (word) {
      return word.split('=')[0] === flag.split('=')[0];
    });
  });
}

/** Compiled code is kept in the user's cache folder: without it each start compiles anew, which is half of its time. */
function withCompileCache(env) {
  if (env.NODE_COMPILE_CACHE || env.NODE_DISABLE_COMPILE_CACHE) return env;
  const cache = env.XDG_CACHE_HOME || (env.HOME ? path.join(env.HOME, '.cache') : '');
  if (!path.isAbsolute(cache)) return env;
  return Object.assign({}, env, { NODE_COMPILE_CACHE: path.join(cache, 'weft', 'compile-cache') });
}

function withOneHeap(env, argv) {
  if (argv[0] !== 'proxy' || env[ONE_HEAP.name] || workersOf(argv) > 1) return env;
  const added = {};
  added[ONE_HEAP.name] = ONE_HEAP.value;
  return Object.assign({}, env, added);
}

/** What `--workers` or its variable says; 1 when neither does. */
function workersOf(argv) {
  const said = valueOf(argv, '--workers') || process.env.WEFT_WORKERS;
  return said ? parseInt(said, 10) : 1;
}

/** The value of a flag, behind a space or an equals sign; undefined when it is not there. */
function valueOf(argv, flag) {
  const at = argv.indexOf(flag);
  if (at >= 0) return argv[at + 1];
  const joined = argv.filter(function (arg) {
    return arg.indexOf(flag + '=') === 0;
  });
  return joined.length > 0 ? joined[joined.length - 1].slice(flag.length + 1) : undefined;
}

/**
 * Where this very Node would only be started again, with nothing that has to be said before it starts, it goes on by itself: a
 * start of Node is most of what `weft capture` costs a pod.
 */
function isHere(node, args, argv, env) {
  if (node !== process.execPath || nodeOptions(argv).length > 0 || !modules.enableCompileCache) return false;
  if (env[ONE_HEAP.name] !== process.env[ONE_HEAP.name]) return false;
  if (env !== process.env) {
    modules.enableCompileCache(env.NODE_COMPILE_CACHE);
    process.env.NODE_COMPILE_CACHE = env.NODE_COMPILE_CACHE;
  }
  process.argv = [node].concat(args);
  import(url.pathToFileURL(args[0]).href).catch(function (error) {
    setImmediate(function () {
      throw error;
    });
  });
  return true;
}

/** Replaces this process where Node can: nothing stands between then, neither signals nor exit codes need passing on. */
function becomes(node, args, env) {
  if (typeof process.execve !== 'function' || process.platform === 'win32' || process.connected) return false;
  // Said to be experimental on stderr, which is the user's.
  process.emitWarning = function () {};
  try {
    process.execve(node, [node].concat(args), env);
  } catch {
    return false;
  }
  return true;
}

function runBeside(node, args, argv, env) {
  const stdio = ['inherit', 'inherit', 'inherit'];
  const readyFd = readyDescriptor(argv);
  for (let fd = 3; fd <= readyFd; fd += 1) stdio.push(fd === readyFd ? fd : 'ignore');
  // The channel carries nothing. When this process dies in whatever way, it closes, and the child ends itself.
  stdio.push('ipc');
  const child = childProcess.spawn(node, args, { stdio: stdio, env: env });
  ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'].forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  child.on('error', function (error) {
    fail('weft cannot start ' + node + ': ' + error.message);
  });
  child.on('exit', function (code, signal) {
    if (signal === null) process.exit(code);
    // Ends as the child ended, so that a shell sees the signal.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // A signal that does not end this process: the shell's convention for one that did.
    setTimeout(function () {
      process.exit(128 + ((os.constants && os.constants.signals[signal]) || 0));
    }, 100);
  });
}

/** The descriptor beyond the usual three that `--ready-fd` names; 0 when there is none. */
function readyDescriptor(argv) {
  const fd = parseInt(valueOf(argv, '--ready-fd') || process.env.WEFT_READY_FD, 10);
  return fd >= 3 && fd < 64 ? fd : 0;
}

function fail(message) {
  process.stderr.write(message + '\n');
  process.exit(1);
}
