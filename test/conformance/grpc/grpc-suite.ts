/**
 * gRPC's own interoperability tests: the clients and servers of grpc-go and grpc-java, each against the other, through two
 * sidecars with mutual TLS between them.
 */
import { freePorts } from '@weft/testkit';
import { Tally } from '../tally.ts';
import { runTool } from '../tool-run.ts';
import { goTool, lacking, mavenClassPath } from '../tool-shed.ts';
import { ProcessMesh } from './process-mesh.ts';

const CASE_MS = 30_000;

/** The standard cases of gRPC's interop test descriptions that need neither TLS nor credentials of their own. */
const cases = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'custom_metadata',
  'status_code_and_message',
  'special_status_message',
  'unimplemented_method',
  'unimplemented_service',
];

/** Cases beyond those that only the Java client has. */
const javaCases = [
  'client_compressed_unary_noprobe',
  'server_compressed_unary',
  'client_compressed_streaming_noprobe',
  'server_compressed_streaming',
  'very_large_request',
];

interface Peer {
  readonly name: string;
  server(port: number): readonly [string, readonly string[]];
  client(port: number, name: string): readonly [string, readonly string[]];
  readonly extraCases: readonly string[];
}

export async function runGrpc(): Promise<Tally[]> {
  const peers: Peer[] = [];
  const lacks = new Tally('gRPC interop');
  const missing = { go: await lacking(['go']), java: await lacking(['java', 'mvn']) };
  if (missing.go.length === 0) peers.push(await goPeer());
  else lacks.skip('grpc-go', `needs ${missing.go.join(', ')}`);
  if (missing.java.length === 0) peers.push(await javaPeer());
  else lacks.skip('grpc-java', `needs ${missing.java.join(', ')}`);
  if (peers.length === 0) return [lacks];
  const tallies: Tally[] = lacks.skips.length > 0 ? [lacks] : [];
  const ports = await freePorts(peers.length);
  const services = peers.map(({ name }, at) => ({ name: `${name}-server`, port: ports[at]!, appProtocol: 'grpc' }));
  const mesh = await ProcessMesh.start(services);
  try {
    for (const [at, peer] of peers.entries()) {
      const [command, args] = peer.server(ports[at]!);
      await mesh.run(peer.name, command, args, ports[at]!);
    }
    for (const client of peers) {
      for (const server of peers) {
        const tally = new Tally(`gRPC interop, ${client.name} client, ${server.name} server`);
        tallies.push(tally);
        // What only grpc-java offers is asked of its server alone.
        const asked = client === server ? [...cases, ...client.extraCases] : cases;
        for (const name of asked) await runCase(tally, client, mesh.localPort(`${server.name}-server`), name);
        await tally.check('every leg was that of two sidecars with mutual TLS', () => {
          if (!mesh.carried('caller', 'outbound')) throw new Error('the sidecar of the caller logged none');
          if (!mesh.carried(`${server.name}-server`, 'inbound'))
            throw new Error('the sidecar of the server logged none');
        });
        if (tally.failures.length > 0) console.log(mesh.output('sidecar of caller').slice(-1_500));
      }
    }
  } finally {
    await mesh.stop();
  }
  return tallies;
}

async function runCase(tally: Tally, peer: Peer, port: number, name: string): Promise<void> {
  const [command, args] = peer.client(port, name);
  const { code, output } = await runTool(command, args, { timeoutMs: CASE_MS });
  if (code === 0) tally.pass();
  else tally.fail(name, `ended with ${code}: ${reasonIn(output)}`);
}

/** The line that says why, of what a client of either language prints. */
function reasonIn(output: string): string {
  const said = /(?:FATAL: .*|\w*(?:Exception|AssertionError): .*)/.exec(output)?.[0] ?? output.trim().slice(-300);
  return said.replace(/\s+/g, ' ').slice(0, 400);
}

async function goPeer(): Promise<Peer> {
  const client = await goTool('grpc-go-client', 'google.golang.org/grpc/interop/client@v1.85.0');
  const server = await goTool('grpc-go-server', 'google.golang.org/grpc/interop/server@v1.85.0');
  return {
    name: 'go',
    server: (port) => [server, [`--port=${port}`]],
    client: (port, name) => [client, ['--server_host=127.0.0.1', `--server_port=${port}`, `--test_case=${name}`]],
    extraCases: [],
  };
}

async function javaPeer(): Promise<Peer> {
  const classPath = await mavenClassPath('grpc-java', 'io.grpc:grpc-interop-testing:1.79.0');
  const java = (program: string, flags: readonly string[]) =>
    [
      'java',
      ['-XX:TieredStopAtLevel=1', '-cp', classPath, `io.grpc.testing.integration.${program}`, ...flags],
    ] as const;
  return {
    name: 'java',
    server: (port) => java('TestServiceServer', [`--port=${port}`, '--use_tls=false']),
    client: (port, name) => {
      const where = ['--server_host=127.0.0.1', `--server_port=${port}`, '--use_tls=false'];
      return java('TestServiceClient', [...where, `--test_case=${name}`]);
    },
    extraCases: javaCases,
  };
}
