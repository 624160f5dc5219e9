/** The application behind every proxy: answers 200 with 67 bytes, cheaply, and counts what it was asked. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { freePorts } from '@weft/testkit';
import { nginxConfiguration } from '../subjects/nginx.ts';
import { findProgram } from '../workbench.ts';
import type { Workbench } from '../workbench.ts';
import { LoadDriver } from './load-driver.ts';

export interface Upstream {
  readonly port: number;
  readonly what: string;
  /** Requests it has answered since it started. */
  served(): Promise<number>;
  stop(): Promise<void>;
}

/** `http2`: by prior knowledge. nginx where it is: half the cost of our own, so that the generator's processor is not what limits. */
export async function startUpstream(workbench: Workbench, http2 = false): Promise<Upstream> {
  const nginx = findProgram('nginx');
  if (nginx === undefined && http2) throw new Error('needs nginx as the upstream (Debian: nginx-light)');
  return nginx === undefined ? startOwn(workbench) : startNginx(workbench, nginx, http2);
}

async function startOwn(workbench: Workbench): Promise<Upstream> {
  const driver = new LoadDriver(workbench);
  const { port } = await driver.run({ do: 'upstream', port: 0 });
  return {
    port: port!,
    what: 'own upstream on Node',
    served: async () => (await driver.run({ do: 'served' })).completed,
    stop: () => driver.stop(),
  };
}

async function startNginx(workbench: Workbench, command: string, http2: boolean): Promise<Upstream> {
  const [port, statusPort] = (await freePorts(2)) as [number, number];
  const folder = workbench.makeFolder('upstream');
  const file = join(folder, 'nginx.conf');
  const servers = `  default_type text/plain;
  server {
    listen 127.0.0.1:${port}${http2 ? ' http2' : ''} backlog=4096;
    location / { return 200 "${'x'.repeat(67)}"; }
  }
  server {
    listen 127.0.0.1:${statusPort};
    location / { stub_status; }
  }`;
  writeFileSync(file, nginxConfiguration(folder, servers));
  const running = workbench.start({ command, args: ['-p', folder, '-c', file], processor: 'load' });
  await workbench.untilListening(running, port);
  let asked = 0;
  return {
    port,
    what: http2 ? 'nginx over HTTP/2' : 'nginx',
    async served() {
      asked += 1;
      // "accepts handled requests", then the three numbers; our own questions are among them.
      const numbers = /^ (\d+) (\d+) (\d+)/m.exec(await fetchText(statusPort));
      return Number(numbers?.[3]) - asked;
    },
    stop: () => running.stop(),
  };
}

function fetchText(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', agent: false }, (reply) => {
      let text = '';
      reply.setEncoding('latin1');
      reply.on('data', (part: string) => (text += part));
      reply.on('end', () => resolve(text));
    })
      .once('error', reject)
      .end();
  });
}
