/** Run by node-http.ts: role, port, upstream port and, for a pair, root, certificate and key. */
import { readFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestListener, RequestOptions } from 'node:http';
import { Agent as TlsAgent, createServer as createTlsServer, request as tlsRequest } from 'node:https';

const [role, port, upstreamPort, root, certificate, key] = process.argv.slice(2) as [
  string,
  string,
  string,
  ...string[],
];
const tls = {
  ca: root === undefined ? undefined : readFileSync(root),
  cert: certificate === undefined ? undefined : readFileSync(certificate),
  key: key === undefined ? undefined : readFileSync(key),
  minVersion: 'TLSv1.3' as const,
  ecdhCurve: 'X25519',
  ciphers: 'TLS_AES_128_GCM_SHA256',
};
const agent =
  role === 'client'
    ? new TlsAgent({ ...tls, keepAlive: true, maxFreeSockets: 4_096, checkServerIdentity: () => undefined })
    : new Agent({ keepAlive: true, maxFreeSockets: 4_096 });
const open: (options: RequestOptions, onReply: (reply: IncomingMessage) => void) => ClientRequest =
  role === 'client' ? tlsRequest : request;

const pass: RequestListener = (incoming, outgoing) => {
  const { method, url, headers } = incoming;
  delete headers.connection;
  const upstream = open(
    { host: '127.0.0.1', port: Number(upstreamPort), agent, method, path: url, headers },
    (reply) => {
      delete reply.headers.connection;
      outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(outgoing);
    },
  );
  upstream.on('error', () => outgoing.writeHead(502).end());
  incoming.pipe(upstream);
};

const server =
  role === 'server'
    ? createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true }, pass)
    : createServer(pass);
server.keepAliveTimeout = 3_600_000;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.listen(Number(port), '127.0.0.1', 4_096);
