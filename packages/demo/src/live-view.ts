import type { HopFigures, InstanceFigures, TcpFigures } from './hop-figures.ts';

/** What the view shows beside the hops. */
export interface Surroundings {
  readonly elapsedMs: number;
  /** Proxies whose stream to the control plane is up. */
  readonly connected: number;
  readonly proxies: number;
  /** Shares of the two versions of orders. */
  readonly canary: string;
  readonly url: string;
  readonly configFolder: string;
  /** What was done last, newest last. */
  readonly events: readonly string[];
}

type Colour = 'red' | 'green' | 'yellow' | 'grey' | 'bold';

const codes: Readonly<Record<Colour, string>> = { red: '31', green: '32', yellow: '33', grey: '90', bold: '1' };
const columns = [
  { title: 'hop', width: 20 },
  { title: 'protocol', width: 14 },
  { title: 'req/s', width: 7 },
  { title: 'success', width: 8 },
  { title: 'p50', width: 8 },
  { title: 'p99', width: 8 },
  { title: 'breaker', width: 9 },
  { title: 'caller proven', width: 13 },
  { title: 'instances', width: 0 },
] as const;

/** The whole picture, line by line. */
export function writeLiveView(hops: readonly HopFigures[], around: Surroundings, isColoured: boolean): string[] {
  const paint = (text: string, colour: Colour | undefined): string =>
    isColoured && colour !== undefined ? `\u001B[${codes[colour]}m${text}\u001B[0m` : text;
  const lines = [
    `${paint('Weft', 'bold')}  ${formatSeconds(around.elapsedMs)}   control plane: ${paint(describeControl(around), around.connected === around.proxies ? 'green' : 'red')}   canary of orders: ${around.canary}`,
    '',
    paint(columns.map(({ title, width }) => title.padEnd(width)).join(' '), 'grey'),
  ];
  for (const hop of hops) {
    const cells: readonly [string, Colour | undefined][] = [
      [`${hop.caller} > ${hop.callee}`, undefined],
      [hop.protocol, undefined],
      [hop.tcp === null ? hop.perSecond.toFixed(1) : '-', undefined],
      [hop.tcp === null ? formatShare(hop.success) : '-', hop.success >= 0.999 ? 'green' : 'red'],
      [formatLatency(hop.p50Ms), undefined],
      [formatLatency(hop.p99Ms), hop.p99Ms > 100 ? 'yellow' : undefined],
      [hop.breaker, hop.breaker === 'closed' || hop.breaker === '' ? undefined : 'red'],
      [hop.identity, undefined],
    ];
    const row = cells.map(([text, colour], index) => paint(text.padEnd(columns[index]!.width), colour));
    const instances = hop.instances.map((each) => paint(describeInstance(each), colourOf(each)));
    if (hop.tcp !== null) instances.push(describeTcp(hop.tcp));
    lines.push([...row, instances.join('  ')].join(' '));
  }
  lines.push(
    '',
    `Shop        curl ${around.url}`,
    `Edit        ${around.configFolder}/*.yaml and see what changes`,
    '',
  );
  for (const event of around.events) lines.push(paint(event, 'grey'));
  lines.push(
    '',
    'b break a service   s make one slow   k kill or restart the control plane   c shift the canary   q quit',
  );
  return lines;
}

/** One line for where there is no terminal. */
export function writePlainLine(hops: readonly HopFigures[], around: Surroundings): string {
  const [edge, ...rest] = hops;
  if (edge === undefined) return '';
  const parts = rest.map((hop) => {
    if (hop.tcp !== null) return `${hop.callee} ${describeTcp(hop.tcp)}`;
    const odd = hop.instances.filter(({ state }) => state !== 'healthy').map(describeInstance);
    const breaker = hop.breaker === '' || hop.breaker === 'closed' ? '' : ` breaker ${hop.breaker}`;
    return `${hop.callee} ${hop.perSecond.toFixed(0)}/s ${formatShare(hop.success)}${breaker}${odd.length > 0 ? ` (${odd.join(', ')})` : ''}`;
  });
  const whole = `edge ${edge.perSecond.toFixed(1)}/s ${formatShare(edge.success)} p50 ${formatLatency(edge.p50Ms)} p99 ${formatLatency(edge.p99Ms)}`;
  return [formatSeconds(around.elapsedMs), whole, ...parts, `control plane: ${describeControl(around)}`].join('  ');
}

function describeControl({ connected, proxies }: Surroundings): string {
  return `${connected} of ${proxies} connected`;
}

function describeInstance({ name, perSecond, state }: InstanceFigures): string {
  return `${name} ${perSecond.toFixed(0)}/s${state === 'healthy' ? '' : ` ${state}`}`;
}

function describeTcp({ open, bytesPerSecond }: TcpFigures): string {
  return `${open} open, ${(bytesPerSecond / 1000).toFixed(1)} kB/s`;
}

function colourOf({ state }: InstanceFigures): Colour | undefined {
  if (state === 'healthy') return undefined;
  return state === 'probing' || state === 'slow-start' ? 'yellow' : 'red';
}

function formatShare(share: number): string {
  return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}

function formatLatency(ms: number): string {
  if (ms === 0) return '-';
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

function formatSeconds(ms: number): string {
  return `${Math.floor(ms / 1000)} s`;
}
