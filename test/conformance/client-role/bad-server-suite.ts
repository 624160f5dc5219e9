/**
 * gRPC's negative HTTP/2 interop cases: the real clients of grpc-go and grpc-java call a server that misbehaves, through two
 * sidecars with mutual TLS between them. The sidecar of the server is the HTTP/2 client that meets the misbehaviour.
 */
import { freePorts } from '@weft/testkit';
import { ProcessMesh } from '../grpc/process-mesh.ts';
import { Tally } from '../tally.ts';
import { runTool } from '../tool-run.ts';
import { goTool, lacking, mavenClassPath } from '../tool-shed.ts';
import { BadGrpcServer, badServerCases } from './bad-grpc-server.ts';
import type { BadServerCase } from './bad-grpc-server.ts';

const CASE_MS = 60_000;

/**
 * What a caller is told of a call whose server reset it: UNAVAILABLE, with the mesh's reason. The clients' own wishes do not agree (each
 * wants what its library makes of a bare reset), so they are held to this in their words. Of half a message grpc-go says
 * INTERNAL before it looks at the status behind it.
 */
const REASON = 'weft: the endpoint closed the connection inside the response';
const CUT: Readonly<Record<string, RegExp>> = {
  java: new RegExp(REASON),
  go: /UnaryCall\(\) = _, Unavailable, want/,
  'go rst_during_data': /UnaryCall\(\) = _, Internal, want/,
};

interface Client {
  readonly name: string;
  /** In `max_streams`, behind one. */
  readonly callsAtOnce: number;
  command(port: number, what: BadServerCase): readonly [string, readonly string[]];
}

export async function runBadServer(): Promise<Tally[]> {
  const lacks = new Tally('bad gRPC server');
  const clients: Client[] = [];
  if ((await lacking(['go'])).length === 0) clients.push(await goClient());
  else lacks.skip('grpc-go', 'needs go');
  const java = await lacking(['java', 'mvn']);
  if (java.length === 0) clients.push(await javaClient());
  else lacks.skip('grpc-java', `needs ${java.join(', ')}`);
  if (clients.length === 0) return [lacks];
  const tallies = lacks.skips.length > 0 ? [lacks] : [];
  const [port] = (await freePorts(1)) as [number];
  const mesh = await ProcessMesh.start([{ name: 'bad', port, appProtocol: 'grpc' }]);
  try {
    for (const client of clients) {
      const tally = new Tally(`bad gRPC server, ${client.name} client`);
      tallies.push(tally);
      for (const what of badServerCases) {
        await tally.check(what, () => runCase(client, what, port, mesh.localPort('bad')));
      }
      await tally.check('every leg was that of two sidecars with mutual TLS', () => {
        if (!mesh.carried('caller', 'outbound') || !mesh.carried('bad', 'inbound'))
          throw new Error('a sidecar logged none');
      });
    }
  } finally {
    await mesh.stop();
  }
  return tallies;
}

async function runCase(client: Client, what: BadServerCase, port: number, localPort: number): Promise<void> {
  const server = await BadGrpcServer.start(what, port);
  try {
    const [command, args] = client.command(localPort, what);
    const { code, output } = await runTool(command, args, { timeoutMs: CASE_MS });
    const said = output.replace(/\s+/g, ' ').slice(-600);
    if (what.startsWith('rst_')) {
      const cut = CUT[`${client.name} ${what}`] ?? CUT[client.name]!;
      if (code === 0 || !cut.test(output)) throw new Error(`the call was not cut: ended with ${code}: ${said}`);
    } else if (code !== 0) throw new Error(`ended with ${code}: ${said}`);
    const calls = what === 'max_streams' ? client.callsAtOnce + 1 : what === 'goaway' ? 2 : 1;
    server.judge(calls);
  } finally {
    server.close();
  }
}

async function goClient(): Promise<Client> {
  const program = await goTool('grpc-go-http2', 'google.golang.org/grpc/interop/http2@v1.85.0');
  return {
    name: 'go',
    callsAtOnce: 15,
    command: (port, what) => [program, ['--server_host=127.0.0.1', `--server_port=${port}`, `--test_case=${what}`]],
  };
}

async function javaClient(): Promise<Client> {
  const classPath = await mavenClassPath('grpc-java', 'io.grpc:grpc-interop-testing:1.79.0');
  return {
    name: 'java',
    callsAtOnce: 10,
    command: (port, what) => {
      const where = ['--server_host=127.0.0.1', `--server_port=${port}`, `--test_case=${what}`];
      const program = ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'io.grpc.testing.integration.Http2Client'];
      return ['java', [...program, ...where]];
    },
  };
}
