import { fileURLToPath } from 'node:url';
import { freePorts } from '@weft/testkit';
import { needCertificates } from './pair-certificates.ts';
import { nodeCommand } from './subject.ts';
import type { Subject } from './subject.ts';

const program = fileURLToPath(new URL('node-http-program.ts', import.meta.url));

/** What a proxy costs that is written over `node:http` and a keep-alive Agent, with nothing else in it. */
export const nodeHttp: Subject = {
  name: 'node',
  absent: () => undefined,
  version: () => `Node ${process.version}, node:http`,
  async start({ workbench, role, upstreamPort, certificates, probe }) {
    const [port] = (await freePorts(1)) as [number];
    const args = [program, role, String(port), String(upstreamPort)];
    if (role !== 'plain') {
      const files = needCertificates(certificates);
      args.push(
        files.root,
        ...(role === 'server'
          ? [files.serverCertificate, files.serverKey]
          : [files.clientCertificate, files.clientKey]),
      );
    }
    const running = workbench.start({ ...nodeCommand(args, probe), processor: 'subject' });
    await workbench.untilListening(running, port);
    return { port, groups: [running.pid], startedMs: running.startedMs, stop: () => running.stop() };
  },
};
