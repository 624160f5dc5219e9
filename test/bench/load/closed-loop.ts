/** Keep-alive connections that always have a request under way: for CPU and throughput. wrk where it is, else our own. */
import { findProgram } from '../workbench.ts';
import type { Workbench } from '../workbench.ts';
import { LoadDriver } from './load-driver.ts';

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

async function runWrk(
  workbench: Workbench,
  wrk: string,
  port: number,
  host: string,
  connections: number,
  seconds: number,
): Promise<ClosedResult> {
  const args = ['-t1', `-c${connections}`, `-d${Math.max(1, Math.round(seconds))}s`, '-H', `Host: ${host}`];
  const running = workbench.start({
    command: wrk,
    args: [...args, `http://127.0.0.1:${port}/`],
    processor: 'load',
    piped: true,
  });
  let text = '';
  running.child.stdout!.setEncoding('utf8').on('data', (part: string) => (text += part));
  await new Promise((resolve) => running.child.once('close', resolve));
  await running.stop();
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
