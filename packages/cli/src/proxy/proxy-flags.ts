import type { Flag } from './flag-reader.ts';

/** Every setting of a proxy process, as flags and as variables for whoever starts it in a container. */
export const proxyFlags: readonly Flag[] = [
  flag('mode', 'MODE', 'sidecar: beside a program. gateway: at the border, serving a Gateway', 'sidecar'),
  flag('namespace', 'NAME', 'namespace of the workload (default: that of the token, else default)'),
  flag(
    'service',
    'NAME',
    'Service this instance joins for as long as it runs; without it a WorkloadEntry must name it',
  ),
  flag('name', 'NAME', 'name of the workload (default: the service, or the gateway)'),
  flag('service-account', 'NAME', 'account its identity is for (default: that of the token, else the name)'),
  flag('instance', 'NAME', 'name of this process, unique in the mesh (default: the name and a random part)'),
  list('label', 'KEY=VALUE', 'label of the instance; Services and policies select by it'),
  flag('zone', 'NAME', 'where it runs; endpoints of the same zone are preferred'),
  flag('node', 'NAME', 'machine it runs on (default: its host name)'),
  flag('weight', 'N', 'share of traffic relative to other instances, 0 to 1000000', '100'),
  list('port', '[NAME=]PORT', 'port the application listens on; peers reach it through the mesh'),
  flag('application-host', 'HOST', 'where the application listens', '127.0.0.1'),
  flag('mesh-host', 'ADDRESS', 'address peers reach this proxy at', '127.0.0.1'),
  flag('control', 'HOST:PORT', 'control plane (default: that of the token; none: serve from the state folder alone)'),
  flag(
    'token',
    'TOKEN',
    'join token, needed without a stored certificate; better in a file or the variable: others may see flags',
  ),
  flag('token-file', 'PATH', 'file that holds the join token'),
  flag(
    'state',
    'FOLDER',
    'keeps key, certificate and last good configuration (0700) for the next start; none keeps nothing',
  ),
  toggle('discard-state', 'remove the state folder at the end'),
  flag('roots', 'PEM', 'roots of the mesh, with a --token-file of a Kubernetes service account'),
  flag('trust-domain', 'NAME', 'of those roots', 'cluster.local'),
  flag(
    'capture',
    'HOW',
    'redirect: rules of weft capture lead all traffic here, to ports 15001 and 15006; there is no HTTP proxy then',
  ),
  flag(
    'capture-rules',
    'OPTIONS',
    'options of weft capture, each as --name=value, by which others have written the rules; the proxy proves before it starts that they are there',
  ),
  flag('opaque-ports', 'PORTS', 'carried as bytes where nothing declares what they speak, such as 3306,9000-9010'),
  flag(
    'app-probes',
    'JSON',
    'probes made for the kubelet at /app-health/ of the metrics port, as the injector writes them',
  ),
  flag('app-metrics', 'PORT/PATH', "the application's own metrics, added to ours, such as 9102/metrics"),
  flag('drain-key', 'TEXT', 'with which /drain/wait of the metrics port begins a drain; none: it is not served'),
  flag('outbound-port', 'PORT', 'of the HTTP proxy for the application; 0 takes a free one, -1 opens none', '15001'),
  toggle('local-addresses', 'open a loopback port for each service that may be called'),
  flag('gateway', 'NAMESPACE/NAME', 'Gateway to serve'),
  flag('gateway-host', 'ADDRESS', 'address the listeners of the Gateway are opened on', '0.0.0.0'),
  flag(
    'certificates',
    'FOLDER',
    'holds NAMESPACE/NAME/tls.crt and tls.key for the HTTPS listeners of the Gateway (default: as Secrets of the cluster)',
  ),
  list('gateway-port', 'DECLARED=ACTUAL', 'port opened in place of a declared one; 0 takes a free one'),
  flag('stats-port', 'PORT', 'of GET /stats and /ready on loopback; 0 takes a free one, -1 opens none', '15000'),
  flag('metrics-port', 'PORT', 'of /metrics, /ready and /live; 0 takes a free one, -1 opens none', '15020'),
  flag('metrics-host', 'ADDRESS', 'address of the metrics port', '127.0.0.1'),
  flag(
    'admin-socket',
    'PATH',
    'UNIX socket of /config, /drain and the log level (default: admin.sock in the state folder)',
  ),
  flag('access-log', 'WHEN', 'never, errors or always; JSON lines on standard output', 'errors'),
  flag(
    'traces-to',
    'TARGET',
    'where spans go: otlp-grpc://HOST:PORT, otlp-http://HOST:PORT or zipkin://HOST:PORT; none without it',
  ),
  flag('traces-share', 'SHARE', 'of the traces that begin here, 0 to 1; a TelemetryPolicy decides over it', '0.01'),
  flag('logs-to', 'TARGET', 'where lines of the access log go too: otlp-grpc://HOST:PORT or otlp-http://HOST:PORT'),
  flag('log-level', 'LEVEL', 'debug, info, warn or error; JSON lines on standard error', 'info'),
  flag('drain-deadline', 'DURATION', 'longest wait for running requests after SIGTERM', '30s'),
  flag('workers', 'N', 'threads that share the ports and the limits; above 1 each has balancing state of its own', '1'),
  flag('max-connections', 'N', 'connections per listener; 0 is no limit', '0'),
  flag('flood-hold', 'DURATION', 'how long new connections of an address wait after it flooded one; 0s: never', '1s'),
  flag('key-agreement', 'KIND', 'hybrid: X25519MLKEM768 first. classical: X25519 first', 'hybrid'),
  flag('ready-fd', 'N', 'descriptor that gets one JSON line with all ports when ready, then closes'),
  flag('ready-file', 'PATH', 'file that gets that line'),
  { name: 'help', value: '', variable: '', repeatable: false, fallback: '', text: 'show this' },
];

function flag(name: string, value: string, text: string, fallback = ''): Flag {
  return { name, value, variable: variableOf(name), repeatable: false, fallback, text };
}

function list(name: string, value: string, text: string): Flag {
  return { name, value, variable: `${variableOf(name)}S`, repeatable: true, fallback: '', text };
}

function toggle(name: string, text: string): Flag {
  return { name, value: '', variable: variableOf(name), repeatable: false, fallback: '', text };
}

/** `--drain-deadline` is `WEFT_DRAIN_DEADLINE`. */
function variableOf(name: string): string {
  return `WEFT_${name.replaceAll('-', '_').toUpperCase()}`;
}
