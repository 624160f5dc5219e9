import { readFileSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Result, fail, ok } from '@weft/kernel';
import { type CapturePlan, PROOF_PORT, capturesOutbound, nowhere } from './capture-plan.ts';
import type { OriginalDestinationReader } from './original-destination.ts';

const ANSWER = 'weft-captured\n';

/** An answer of this machine's own needs no second; a busy node may need some. */
const WAIT_MS = 3_000;

/** What a proof found; in both cases sentences for people. */
export interface CaptureProof {
  readonly shown: readonly string[];
  readonly faults: readonly string[];
}

/**
 * Shows that what leaves is redirected: listens on the proxy's port in its place and calls an address that does not exist.
 * Must run before the proxy listens, as a user whose connections the plan redirects, or as the proxy's: its calls there pass by a
 * rule of their own, which stands with all the others in what the kernel takes whole or not at all. `waitMs` bounds each call.
 * Whoever else calls meanwhile is cut off. Fails, as one line for a person, where nothing could be found out.
 *
 * What arrives cannot be shown from inside: a packet of this machine to itself never passes the rules for arrivals. A caller
 * from outside shows it; in a pod the kubelet is one, whose readiness probe goes to a port where nobody listens but by redirection.
 */
export async function proveOutbound(
  plan: CapturePlan,
  read: OriginalDestinationReader,
  waitMs: number = WAIT_MS,
): Promise<Result<CaptureProof, string>> {
  const shown: string[] = [];
  const faults: string[] = [];
  if (!capturesOutbound(plan)) return ok({ shown, faults });
  const opened = await openStandIn(plan.outboundPort, read);
  if (!opened.ok) return opened;
  const { server, seen } = opened.value;
  for (const family of usedFamilies()) {
    const answer = await call(nowhere[family], waitMs);
    const arrived = seen.has(PROOF_PORT);
    seen.clear();
    if (answer === ANSWER && arrived) shown.push(`IPv${family} leaves by port ${plan.outboundPort}`);
    else
      faults.push(
        `IPv${family} is not redirected to port ${plan.outboundPort} (${answer === '' ? 'no answer' : answer.trim()})`,
      );
  }
  server.close();
  return ok({ shown, faults });
}

async function openStandIn(
  port: number,
  read: OriginalDestinationReader,
): Promise<Result<{ server: Server; seen: Set<number> }, string>> {
  const seen = new Set<number>();
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    const original = read(socket);
    if (original?.port !== PROOF_PORT) {
      socket.destroy();
      return;
    }
    seen.add(original.port);
    socket.end(ANSWER);
  });
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(
        fail(
          `port ${port} cannot be listened on (${error.code ?? error.message}); prove capture before the proxy starts`,
        ),
      ),
    );
    // Without a host: both families where the machine has both.
    server.listen(port, () => resolve(ok({ server, seen })));
  });
}

/** IPv6 counts when there is an address of it to call from and a way out. */
function usedFamilies(): (4 | 6)[] {
  const outside = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const hasIpv6 = outside.some(
    ({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:'),
  );
  const hasIpv4 = outside.some(({ family, internal }) => family === 'IPv4' && !internal);
  return [...(hasIpv4 || !hasIpv6 ? [4 as const] : []), ...(hasIpv6 && hasIpv6Way() ? [6 as const] : [])];
}

/** A default route that is not the kernel's own refusal, which stands there as one of `lo`. */
function hasIpv6Way(): boolean {
  try {
    return /^0{32} 00 .* (?!lo$)\S+$/m.test(readFileSync('/proc/net/ipv6_route', 'latin1').replaceAll(/ +$/gm, ''));
  } catch {
    return false;
  }
}

/** What is answered; or why nothing is, in a word of the system's. */
function call(host: string, waitMs: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host, port: PROOF_PORT });
    const finish = (answer: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(waitMs, () => finish('timeout'));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text = (text + chunk).slice(0, 80);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.on('end', () => finish(text));
  });
}
