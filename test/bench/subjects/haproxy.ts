import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '@weft/testkit';
import { findProgram, versionLine } from '../workbench.ts';
import { needCertificates } from './pair-certificates.ts';
import type { Subject, SubjectStart } from './subject.ts';

/** One thread, no master, upstream connections shared by all clients, no log. */
export const haproxy: Subject = {
  name: 'haproxy',
  absent: () => (findProgram('haproxy') === undefined ? 'not on the PATH (Debian: haproxy)' : undefined),
  version: () => versionLine('haproxy', ['-v']),
  async start(options) {
    const { workbench } = options;
    const [port, bytesPort] = (await freePorts(2)) as [number, number];
    const file = join(workbench.makeFolder('haproxy'), 'haproxy.cfg');
    writeFileSync(file, configuration(options, port, bytesPort));
    const running = workbench.start({
      command: findProgram('haproxy') ?? 'haproxy',
      args: ['-db', '-f', file],
      processor: 'subject',
    });
    await workbench.untilListening(running, port);
    return {
      port,
      ...(options.bytesPort === undefined ? {} : { bytesPort }),
      groups: [running.pid],
      startedMs: running.startedMs,
      stop: () => running.stop(),
    };
  },
};

function configuration(options: SubjectStart, port: number, bytesPort: number): string {
  const { role, upstreamPort, certificates, application = 'http1', leg = 'http1' } = options;
  const alpn = application === 'tcp' ? '' : ` alpn ${leg === 'http2' ? 'h2' : 'http/1.1'}`;
  let bind = role !== 'server' && application === 'http2' ? ' proto h2' : '';
  let server = role !== 'client' && application === 'http2' ? ' proto h2' : '';
  if (role === 'server') {
    const { serverBoth, root } = needCertificates(certificates);
    bind = ` ssl crt ${serverBoth} ca-file ${root} verify required ssl-min-ver TLSv1.3 curves X25519 ciphersuites TLS_AES_128_GCM_SHA256${alpn}`;
  }
  if (role === 'edge') {
    const { serverBoth } = needCertificates(certificates);
    bind = ` ssl crt ${serverBoth} ssl-min-ver TLSv1.3 curves X25519 ciphersuites TLS_AES_128_GCM_SHA256${alpn}`;
  }
  if (role === 'client') {
    const { clientBoth, root } = needCertificates(certificates);
    // The group is the server's choice: 2.6 has no word for it on this side.
    server = ` ssl crt ${clientBoth} ca-file ${root} verify required ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256${alpn}`;
  }
  return `global
  nbthread 1
  maxconn 8000
defaults
  mode ${application === 'tcp' ? 'tcp' : 'http'}
  no log
${application === 'tcp' ? '' : '  option http-keep-alive\n  http-reuse always\n'}  timeout connect 5s
  timeout client 1h
  timeout server 1h
${application === 'tcp' ? '' : '  timeout http-keep-alive 1h'}
frontend in
  bind 127.0.0.1:${port}${bind}
  default_backend out
backend out
  server upstream 127.0.0.1:${upstreamPort}${server}
${
  options.bytesPort === undefined
    ? ''
    : `listen bytes
  mode tcp
  bind 127.0.0.1:${bytesPort}${bind.replace(alpn, '')}
  server upstream 127.0.0.1:${options.bytesPort}${server.replace(alpn, '')}
`
}`;
}
