import { fileURLToPath } from 'node:url';
import { freePorts } from '@weft/testkit';
import { needCertificates } from './pair-certificates.ts';
import { nodeCommand } from './subject.ts';
import type { Subject } from './subject.ts';

const program = fileURLToPath(new URL('node-http-program.ts', import.meta.url));
const http2Program = fileURLToPath(new URL('node-http2-program.ts', import.meta.url));

/** What a proxy costs that is written over `node:http` and a keep-alive Agent (`node:http2` and one session for HTTP/2), with nothing else in it. */
export const nodeHttp: Subject = {
  name: 'node',
  absent: () => undefined,
  version: () => `Node ${process.version}, node:http`,
  async start({ workbench, role, upstreamPort, certificates, probe, application = 'http1', leg = 'http1' }) {
    if (application === 'tcp' || leg === 'http2' || (application === 'http2' && role !== 'plain') || role === 'edge') {
      throw new Error('takes part over HTTP/1.1, and over plain HTTP/2, only');
    }
    const [port] = (await freePorts(1)) as [number];
    const args = [application === 'http2' ? http2Program : program, role, String(port), String(upstreamPort)];
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
