/** Keep-alive connections that always have a request under way: for CPU and throughput. wrk where it is, else our own. */
import { findProgram } from '../workbench.ts';
import type { Workbench } from '../workbench.ts';
import { LoadDriver } from './load-driver.ts';

/** Runs of h2load that may end without a request. */
const IDLE_RUNS = 5;

export interface ClosedResult {
  readonly completed: number;
  readonly errors: number;
  readonly seconds: number;
}

export interface ClosedLoop {
  readonly what: string;
  /** `onStarted` is called when load is on its way. */
  run(port: number, host: string, connections: number, seconds: number): Promise<ClosedResult>;
  stop(): Promise<void>;
}

export function startClosedLoop(workbench: Workbench): ClosedLoop {
  const wrk = findProgram('wrk');
  if (wrk !== undefined) {
    return {
      what: 'wrk',
      run: (port, host, connections, seconds) => runWrk(workbench, wrk, port, host, connections, seconds),
      stop: async () => {},
    };
  }
  const driver = new LoadDriver(workbench);
  return {
    what: 'own closed loop on Node',
    async run(port, host, connections, seconds) {
      const startMs = performance.now();
      const { completed, errors } = await driver.run({ do: 'closed', port, host, connections, seconds });
      return { completed, errors, seconds: (performance.now() - startMs) / 1_000 };
    },
    stop: () => driver.stop(),
  };
}

/** The same over HTTP/2 by prior knowledge, so many requests under way on each connection. h2load; throws where there is none. */
export function startStreamLoop(workbench: Workbench, streams: number): ClosedLoop {
  const h2load = findProgram('h2load');
  if (h2load === undefined) throw new Error('needs h2load (Debian: nghttp2-client)');
  return {
    what: 'h2load',
    async run(port, host, connections, seconds) {
      const whole = Math.max(1, Math.round(seconds));
      for (let again = 0; ; again += 1) {
        const text = await outputOf(workbench, h2load, [
          `--clients=${connections}`,
          `--max-concurrent-streams=${streams}`,
          `--duration=${whole}`,
          '--connection-active-timeout=10',
          '--connection-inactivity-timeout=10',
          `--connect-to=127.0.0.1:${port}`,
          `http://${host}/`,
        ]);
        const result = readH2loadReport(text, whole);
        // On a busy machine it sometimes ends its time before it has begun, and has sent nothing.
        if (result.completed > 0 || again === IDLE_RUNS) return result;
      }
    },
    stop: async () => {},
  };
}

async function outputOf(workbench: Workbench, command: string, args: readonly string[]): Promise<string> {
  const running = workbench.start({ command, args, processor: 'load', piped: true });
  let text = '';
  running.child.stdout!.setEncoding('utf8').on('data', (part: string) => (text += part));
  await new Promise((resolve) => running.child.once('close', resolve));
  await running.stop();
  return text;
}

/** Throws when it is no report. */
export function readH2loadReport(text: string, seconds: number): ClosedResult {
  const requests = /requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed/.exec(text);
  const statuses = /status codes: (\d+) 2xx/.exec(text);
  if (requests === null || statuses === null) {
    throw new Error(`h2load: ${text.trim().split('\n').at(-1) ?? 'said nothing'}`);
  }
  const completed = Number(requests[1]);
  return { completed, errors: Math.max(Number(requests[2]), completed - Number(statuses[1])), seconds };
}

async function runWrk(
  workbench: Workbench,
  wrk: string,
  port: number,
  host: string,
  connections: number,
  seconds: number,
): Promise<ClosedResult> {
  const args = ['-t1', `-c${connections}`, `-d${Math.max(1, Math.round(seconds))}s`, '-H', `Host: ${host}`];
  const text = await outputOf(workbench, wrk, [...args, `http://127.0.0.1:${port}/`]);
  return readWrkReport(text);
}

/** Throws when it is no report. */
export function readWrkReport(text: string): ClosedResult {
  const total = /(\d+) requests in ([\d.]+)(ms|s|m),/.exec(text);
  if (total === null) throw new Error(`wrk: ${text.trim().split('\n').at(-1) ?? 'said nothing'}`);
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const statuses = /Non-2xx or 3xx responses: (\d+)/.exec(text);
  const socketErrors = sockets === null ? 0 : sockets.slice(1, 5).reduce((sum, count) => sum + Number(count), 0);
  const unit = total[3] === 'ms' ? 0.001 : total[3] === 'm' ? 60 : 1;
  return {
    completed: Number(total[1]),
    errors: socketErrors + Number(statuses?.[1] ?? 0),
    seconds: Number(total[2]) * unit,
  };
}
