import { Command } from 'commander';
import type { ProxyStatus, ServerInfo } from '@weft/wire';
import { answerOf, withControlPlane } from '../admin-connection.ts';
import { type ControlFlags, withControlFlags } from '../control-place.ts';
import { type ExitCode, exitCodes } from '../exit-code.ts';
import { humaneAgo, humaneDuration, humaneUntil } from '../output/humane-time.ts';
import { replicaNote } from '../output/replica-note.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import { type Colour, type Terminal, paint } from '../output/terminal.ts';
import { type Cell, writeTable } from '../output/text-table.ts';
import type { Finish } from './finish.ts';
import { outputOption } from './output-option.ts';

interface StatusOptions extends ControlFlags {
  readonly output: OutputFormat;
}

/** `weft status`: who is in the mesh, and has what it should have. */
export function statusCommand(terminal: Terminal, finish: Finish): Command {
  return withControlFlags(new Command('status'))
    .description('show the control plane and its proxies: version, acknowledgements, certificates')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
States: Synced has the newest configuration; Behind is getting it; Refusing could not take a part of it and serves what it
had before; Draining leaves; Lost has ended its stream within the last 10 s. Proxies with the same version hold the same.
Exit code 1 when a proxy refuses something, is lost or has no valid certificate, an object is refused, or a replica of the
control plane did not answer for its proxies.

Examples:
  weft status
  weft status -o json | jq '.proxies[] | select(.state != "Synced")'`,
    )
    .action(async (options: StatusOptions) => {
      const { output } = options;
      const { server, proxies } = await withControlPlane(options, async (admin) => {
        const { proxies: all, replicas } = answerOf(await admin.listProxies());
        return { server: { ...answerOf(await admin.getServer()), replicas }, proxies: all };
      });
      const nowMs = Date.now();
      if (output === 'table') terminal.out(describeStatus(server, proxies, nowMs, terminal.coloured));
      else terminal.out(await writeStructured({ server, proxies }, output));
      terminal.err(replicaNote(server.replicas));
      finish(healthOf(server, proxies, nowMs));
    });
}

export function describeStatus(
  server: ServerInfo,
  proxies: readonly ProxyStatus[],
  nowMs: number,
  coloured: boolean,
): string {
  const refused = server.objectsRefused === 0 ? '' : `, ${server.objectsRefused} refused (weft get objects)`;
  const head =
    `control plane ${server.server} ${server.version} on ${server.address}, mesh ${server.mesh}, ` +
    `up ${humaneDuration(nowMs - server.startedAtMs)}\n` +
    `${server.source}: ${server.objects} ${server.objects === 1 ? 'object' : 'objects'}${paint(refused, 'red', coloured)}\n`;
  if (proxies.length === 0) {
    return `${head}\nNo proxies yet. Start a program with one: weft run --service NAME --port PORT -- PROGRAM\n`;
  }
  const headings = ['proxy', 'workload', 'identity', 'state', 'version', 'acked', 'certificate', 'last ack'];
  const rows = proxies.map((proxy): Cell[] => {
    const leftMs = (proxy.report?.certificateNotAfterMs ?? 0) - nowMs;
    const certificate = humaneUntil(proxy.report?.certificateNotAfterMs ?? 0, nowMs);
    return [
      proxy.name,
      proxy.gateway === '' ? `${proxy.workload.namespace}/${proxy.workload.name}` : `gateway ${proxy.gateway}`,
      proxy.identity,
      { text: stateText(proxy), colour: stateColours[proxy.state] },
      proxy.version,
      `${proxy.resources - proxy.behind}/${proxy.resources}`,
      proxy.report !== null && leftMs <= 0 ? { text: certificate, colour: 'red' } : certificate,
      proxy.lastAckAtMs === 0 ? 'never' : `${humaneAgo(proxy.lastAckAtMs, nowMs)} ago`,
    ];
  });
  return `${head}\n${writeTable(headings, rows, coloured)}`;
}

const stateColours: Readonly<Record<ProxyStatus['state'], Colour>> = {
  Synced: 'green',
  Behind: 'yellow',
  Refusing: 'red',
  Draining: 'yellow',
  Lost: 'red',
};

function stateText({ state, behind, refused, report }: ProxyStatus): string {
  if (state === 'Behind') return `Behind by ${behind}`;
  if (state === 'Refusing') return `Refusing ${refused}`;
  return state === 'Synced' && report?.ready === false ? 'Synced, not ready' : state;
}

function healthOf(server: ServerInfo, proxies: readonly ProxyStatus[], nowMs: number): ExitCode {
  const unwell = proxies.some(
    ({ state, report }) =>
      state === 'Refusing' || state === 'Lost' || (report !== null && report.certificateNotAfterMs <= nowMs),
  );
  const isPartial = server.replicas.some(({ silent }) => silent !== '');
  return unwell || isPartial || server.objectsRefused > 0 ? exitCodes.unwell : exitCodes.ok;
}
