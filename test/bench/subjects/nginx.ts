import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '@weft/testkit';
import { findProgram, versionLine } from '../workbench.ts';
import { needCertificates, pairServerName } from './pair-certificates.ts';
import type { Subject, SubjectStart } from './subject.ts';

/** What every nginx of the bench needs, upstream or subject: one worker, no logs, all files in its own folder. */
export function nginxConfiguration(folder: string, http: string): string {
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log error;
events { worker_connections 8000; }
http {
  access_log off;
  # Large transfers are measured too.
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_timeout 1h;
  # The default closes a connection after 1,000 requests.
  keepalive_requests 2000000000;
  server_tokens off;
${http}
}
`;
}

/** One worker, a pool of upstream connections as large as any measure needs. */
export const nginx: Subject = {
  name: 'nginx',
  absent: () => (findProgram('nginx') === undefined ? 'not on the PATH (Debian: nginx-light)' : undefined),
  version: () => versionLine('nginx', ['-v']),
  async start(options) {
    const { workbench, application = 'http1' } = options;
    if (application !== 'http1') throw new Error('takes part over HTTP/1.1 only');
    const [port] = (await freePorts(1)) as [number];
    const folder = workbench.makeFolder('nginx');
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, nginxConfiguration(folder, servers(options, port)));
    const running = workbench.start({
      command: findProgram('nginx') ?? 'nginx',
      args: ['-p', folder, '-c', file],
      processor: 'subject',
    });
    await workbench.untilListening(running, port);
    return { port, groups: [running.pid], startedMs: running.startedMs, stop: () => running.stop() };
  },
};

function servers({ role, upstreamPort, certificates }: SubjectStart, port: number): string {
  let tls = '';
  let proxyTls = '';
  if (role === 'server') {
    const { serverCertificate, serverKey, root } = needCertificates(certificates);
    tls = `
    ssl_certificate ${serverCertificate};
    ssl_certificate_key ${serverKey};
    ssl_client_certificate ${root};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_ecdh_curve X25519;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_session_tickets off;`;
  }
  if (role === 'edge') {
    const { serverCertificate, serverKey } = needCertificates(certificates);
    tls = `
    ssl_certificate ${serverCertificate};
    ssl_certificate_key ${serverKey};
    ssl_protocols TLSv1.3;
    ssl_ecdh_curve X25519;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;`;
  }
  if (role === 'client') {
    const { clientCertificate, clientKey, root } = needCertificates(certificates);
    proxyTls = `
      proxy_ssl_certificate ${clientCertificate};
      proxy_ssl_certificate_key ${clientKey};
      proxy_ssl_trusted_certificate ${root};
      proxy_ssl_verify on;
      proxy_ssl_name ${pairServerName};
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
      proxy_ssl_session_reuse off;`;
  }
  return `  upstream out {
    server 127.0.0.1:${upstreamPort};
    keepalive 256;
    keepalive_requests 2000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port}${role === 'server' || role === 'edge' ? ' ssl' : ''} backlog=4096;${tls}
    location / {
      proxy_pass ${role === 'client' ? 'https' : 'http'}://out;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;${proxyTls}
    }
  }`;
}
