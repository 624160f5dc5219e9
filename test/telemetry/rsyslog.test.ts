import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { weftProgram } from '@weft/cli';
import { freePorts } from '@weft/testkit';
import { callerResources, writeState } from '../bench/subjects/weft-state.ts';
import { Workbench, canConnect } from '../bench/workbench.ts';
import { Receiver, type Tool, findProgram, missing } from './receiver-tools.ts';

/** A third before rsyslog is stopped, a third while it is away, a third after it is back. */
const REQUESTS = 6_000;
const AT_ONCE = 8;
const ARRIVE_MS = 60_000;

describe('a shipper of lines', () => {
  it('gets every line of a sidecar once and in order, through its own restart: rsyslog, imfile, JSON', async (context) => {
    const tool = findRsyslog();
    const reason = missing(tool);
    if (reason !== undefined) return context.skip(reason);
    const rsyslogd = (tool as { path: string }).path;
    const folder = mkdtempSync(join(tmpdir(), 'weft-rsyslog-'));
    const lines = join(folder, 'sidecar.log');
    const shipped = join(folder, 'shipped.jsonl');
    writeFileSync(lines, '');
    writeFileSync(join(folder, 'rsyslog.conf'), configuration(folder, lines, shipped));
    const workbench = new Workbench({ privileged: false });
    const application = createServer((_request, response) => void response.end('ok'));
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    const sidecar = await startSidecar(workbench, (application.address() as AddressInfo).port, lines);
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    let shipper = startShipper(rsyslogd, folder);
    try {
      await call(agent, sidecar.port, 0, REQUESTS / 3);
      await until(() => countLines(shipped) > 0, 'rsyslog ships');
      // In the middle of the work: requests go on while it stops, and while it is away.
      const meanwhile = call(agent, sidecar.port, REQUESTS / 3, (2 * REQUESTS) / 3);
      await shipper.stop();
      await meanwhile;
      const away = countLines(shipped);
      await until(() => countLines(lines) >= (2 * REQUESTS) / 3, 'the sidecar writes on');
      assert.ok(away < (2 * REQUESTS) / 3, 'lines were written while rsyslog was away');
      shipper = startShipper(rsyslogd, folder);
      await call(agent, sidecar.port, (2 * REQUESTS) / 3, REQUESTS);
      await until(
        () => countLines(shipped) >= REQUESTS,
        'all lines arrive',
        () => shipper.output,
      );
      await shipper.stop();
      const written = readFileSync(lines, 'utf8').trimEnd().split('\n').map(pathOf);
      const arrived = readFileSync(shipped, 'utf8').trimEnd().split('\n').map(pathOf);
      assert.equal(written.length, REQUESTS, 'a line for each request');
      assert.deepEqual(arrived, written, 'the same lines in the same order');
      const numbers = arrived.map((path) => Number(path.slice('/n/'.length))).toSorted((left, right) => left - right);
      assert.deepEqual(
        numbers,
        Array.from({ length: REQUESTS }, (_, index) => index),
        'each number once',
      );
    } finally {
      agent.destroy();
      await shipper.stop('SIGKILL');
      await stopChild(sidecar.child);
      application.close();
      application.closeAllConnections();
      await workbench.stopAll();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Debian's; installed where this user may and it is not there. */
function findRsyslog(): Tool {
  const found = findProgram('rsyslogd', 'rsyslog');
  if (!('missing' in found)) return found;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'rsyslog'], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 180_000,
    });
  }
  return findProgram('rsyslogd', 'rsyslog');
}

/** As a node would have it: the file of a container's output, read from where it stopped; what is no JSON is told apart. */
function configuration(folder: string, lines: string, shipped: string): string {
  return `global(workDirectory="${folder}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="mmjsonparse")
template(name="whole" type="list") { property(name="$!all-json-plain") constant(value="\\n") }
template(name="raw" type="list") { constant(value="unparsed ") property(name="msg") constant(value="\\n") }
input(type="imfile" file="${lines}" tag="weft:" ruleset="ship" persistStateInterval="1" freshStartTail="off")
ruleset(name="ship") {
  action(type="mmjsonparse" cookie="")
  if $parsesuccess == "OK" then action(type="omfile" file="${shipped}" template="whole")
  else action(type="omfile" file="${shipped}" template="raw")
}
`;
}

function startShipper(rsyslogd: string, folder: string): Receiver {
  return new Receiver(rsyslogd, ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'rsyslog.pid')]);
}

/** From a state folder, with a line for each request and its output in a file, as a kubelet has it. */
async function startSidecar(
  workbench: Workbench,
  applicationPort: number,
  lines: string,
): Promise<{ port: number; child: ChildProcess }> {
  const state = workbench.makeFolder('state', 0o700);
  const [port] = (await freePorts(1)) as [number];
  await writeState(state, 'client', callerResources(applicationPort, false), [`outbound ${port}`]);
  const flags = [
    '--namespace=bench',
    '--name=client',
    '--service-account=client',
    `--state=${state}`,
    '--outbound-port=0',
    '--stats-port=0',
    '--metrics-port=0',
    '--access-log=always',
    '--log-level=warn',
  ];
  const output = openSync(lines, 'a');
  const child = spawn(process.execPath, [weftProgram, 'proxy', ...flags], { stdio: ['ignore', output, 'inherit'] });
  await until(() => canConnect(port), 'the sidecar listens');
  return { port, child };
}

/** Requests with the numbers from `from` to below `to`, all answered with 200. */
async function call(agent: Agent, port: number, from: number, to: number): Promise<void> {
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < to) {
      const path = `/n/${next}`;
      next += 1;
      await new Promise<void>((resolve, reject) => {
        get({ host: '127.0.0.1', port, agent, path, headers: { host: 'echo' } }, (response) => {
          if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`));
          response.resume();
          response.once('end', resolve);
        }).once('error', reject);
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function pathOf(line: string): string {
  return (JSON.parse(line) as { path: string }).path;
}

function countLines(file: string): number {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
}

async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  output: () => string = () => '',
): Promise<void> {
  const endMs = performance.now() + ARRIVE_MS;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${ARRIVE_MS} ms; ${output()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
