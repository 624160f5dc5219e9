import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { go } from '../feed/use-route.ts';
import { bytes, milliseconds, rate, share } from '../format.ts';
import { serviceHref } from '../route.ts';
import { NODE_HEIGHT, NODE_WIDTH } from './graph-layout.ts';
import type { Graph, GraphEdge, GraphNode } from './graph-model.ts';
import { type Placed, useLayout } from './use-layout.ts';

export interface GraphViewProps {
  readonly graph: Graph;
  /** A namespace drawn as one is asked to show its services. */
  readonly onOpen: (namespace: string) => void;
}

interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

const LEAST_SCALE = 0.04;
const MOST_SCALE = 2;
/** Under it, names and figures are no more than noise. */
const READABLE_SCALE = 0.45;
/** Beyond so many edges, figures are written on the one that is pointed at only. */
const MOST_LABELS = 24;
/** A padlock of 7 by 8, around its middle. */
const LOCK = 'M-3.5 -0.5h7v5h-7z M-2 -0.5v-1.8a2 2 0 0 1 4 0v1.8';
/** Where there is little room, names stay readable and one drags. */
const NARROW = 600;
const LEAST_NARROW_SCALE = 0.62;
const WHEEL_STEP = 1.0015;
const KEY_STEP = 60;

/** Services and what goes between them. Drag, wheel, two fingers, arrow keys, plus and minus move it; 0 shows all. */
export function GraphView({ graph, onOpen }: GraphViewProps) {
  const place = useRef<SVGSVGElement>(null);
  const placed = useLayout(graph);
  const [view, setView] = useState<View>({ x: 0, y: 0, scale: 1 });
  const [pointed, setPointed] = useState('');
  const fitted = useRef('');
  const cache = useRef(new Map<string, Drawn>());

  const fit = (): void => {
    if (place.current !== null && placed !== null) setView(fitView(place.current, placed));
  };
  useEffect(() => {
    if (placed === null || fitted.current === placed.shape) return;
    fitted.current = placed.shape;
    fit();
  }, [placed]);
  useMoves(place, setView, fit);

  const next = new Map<string, Drawn>();
  const draw = (key: string, signature: string, make: () => VNode): VNode => {
    // The same node again is passed over by the renderer: most of a big mesh looks as it did 5 s ago.
    const known = cache.current.get(key);
    const drawn = known?.signature === signature ? known : { signature, node: make() };
    next.set(key, drawn);
    return drawn.node;
  };
  const isLabelled = graph.edges.length <= MOST_LABELS;
  const edges: VNode[] = [];
  const nodes: VNode[] = [];
  if (placed !== null) {
    for (const edge of graph.edges) {
      const from = placed.points.get(edge.from);
      const to = placed.points.get(edge.to);
      if (from === undefined || to === undefined) continue;
      const isNear = pointed !== '' && (edge.from === pointed || edge.to === pointed || edge.id === pointed);
      const shows = isLabelled || isNear;
      // Without figures an edge changes only when its looks do: of thousands, a few each time.
      const looks = shows ? `${figuresOf(edge)} ${isNear}` : looksOf(edge);
      const signature = `${placed.shape.length} ${from.x} ${from.y} ${to.x} ${to.y} ${looks}`;
      edges.push(draw(`e ${edge.id}`, signature, () => drawEdge(edge, from, to, shows, isNear)));
    }
    for (const node of graph.nodes) {
      const at = placed.points.get(node.id);
      if (at === undefined) continue;
      const signature = `${at.x} ${at.y} ${node.services} ${nodeFigures(node)} ${node.failureShare}`;
      nodes.push(draw(`n ${node.id}`, signature, () => drawNode(node, at, onOpen)));
    }
  }
  cache.current = next;
  const label = `${graph.nodes.length} of the mesh, ${graph.edges.length} connections; the table below says the same`;
  return (
    <div class="graph">
      <svg
        ref={place}
        tabIndex={0}
        role="group"
        aria-label={label}
        class={view.scale < READABLE_SCALE ? 'far' : ''}
        onMouseOver={(event) => setPointed(keyUnder(event.target))}
        onMouseLeave={() => setPointed('')}
      >
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            markerUnits="userSpaceOnUse"
            orient="auto"
          >
            <path d="M0 0.6 L7.4 4 L0 7.4 z" class="arrow" />
          </marker>
        </defs>
        <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
          <g>{edges}</g>
          <g>{nodes}</g>
        </g>
      </svg>
      {placed === null ? <p class="empty over">Laying out …</p> : null}
      <div class="zoom" role="group" aria-label="Zoom">
        <button
          type="button"
          aria-label="Closer"
          onClick={() => setView((old) => zoomed(old, 1.3, middleOf(place.current)))}
        >
          +
        </button>
        <button
          type="button"
          aria-label="Farther"
          onClick={() => setView((old) => zoomed(old, 1 / 1.3, middleOf(place.current)))}
        >
          −
        </button>
        <button type="button" aria-label="Show all" onClick={fit}>
          ⤢
        </button>
      </div>
    </div>
  );
}

interface Drawn {
  readonly signature: string;
  readonly node: VNode;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function drawEdge(edge: GraphEdge, from: Point, to: Point, shows: boolean, isNear: boolean): VNode {
  const { line, middle } = wayOf(edge.from === edge.to, from, to);
  const secured = edge.securedShare;
  return (
    <g key={edge.id} class={`${kindOf(edge)}${isNear ? ' near' : ''}`} data-key={edge.id}>
      {shows ? <title>{titleOf(edge)}</title> : null}
      <path d={line} class="touch" />
      <path d={line} stroke-width={widthOf(edge)} marker-end="url(#arrow)" />
      {shows ? (
        <g transform={`translate(${middle.x} ${middle.y})`} class="figures">
          <text y={-7}>
            {rate(edge.requestsPerS)}
            {(edge.failureShare ?? 0) > 0 ? <tspan class="fails"> {share(edge.failureShare)}</tspan> : null}
          </text>
          {secured === 1 ? (
            <path d={LOCK} class="lock" transform={`translate(${edge.p99Ms === null ? 0 : 45} 10)`} />
          ) : null}
          <text y={15} class="second">
            {edge.p99Ms === null ? '' : `p99 ${milliseconds(edge.p99Ms)}`}
            {secured !== null && secured < 1 ? <tspan class="fails"> no mTLS</tspan> : null}
          </text>
        </g>
      ) : null}
    </g>
  );
}

function drawNode(node: GraphNode, { x, y }: Point, onOpen: (namespace: string) => void): VNode {
  const isNamespace = node.kind === 'namespace';
  const isLink =
    node.kind === 'workload' || node.kind === 'gateway' || (node.kind === 'plain' && node.namespace !== '');
  const body = (
    <>
      <title>{isNamespace ? `Show the services of ${node.label}` : node.id}</title>
      <rect width={NODE_WIDTH} height={NODE_HEIGHT} rx="7" class="box" />
      <rect x="0" y="10" width="3" height={NODE_HEIGHT - 20} rx="1.5" class="mark" />
      <text x="14" y="22" class="name">
        {shortened(node.label)}
      </text>
      <text x="14" y="39" class="second">
        {isNamespace ? `${node.services} services · ` : ''}
        {nodeFigures(node)}
      </text>
    </>
  );
  const shared = {
    'data-key': node.id,
    class: `node ${node.kind} ${toneOf(node.failureShare)}`,
    transform: `translate(${x - NODE_WIDTH / 2} ${y - NODE_HEIGHT / 2})`,
  };
  if (isNamespace) {
    const open = (): void => onOpen(node.namespace);
    return (
      <g
        key={node.id}
        {...shared}
        role="button"
        tabIndex={0}
        onClick={open}
        onKeyDown={(event) => {
          if (event.key === 'Enter' || event.key === ' ') open();
        }}
      >
        {body}
      </g>
    );
  }
  if (!isLink) {
    return (
      <g key={node.id} {...shared}>
        {body}
      </g>
    );
  }
  const href = serviceHref(node.id);
  return (
    <a
      key={node.id}
      {...shared}
      href={href}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(href);
      }}
    >
      {body}
    </a>
  );
}

/** A curve from side to side; a loop over itself for what calls itself. */
function wayOf(isLoop: boolean, from: Point, to: Point): { readonly line: string; readonly middle: Point } {
  const half = NODE_WIDTH / 2;
  if (isLoop) {
    const top = from.y - NODE_HEIGHT / 2;
    const line = `M${from.x + 20} ${top} C${from.x + 40} ${top - 44} ${from.x - 40} ${top - 44} ${from.x - 20} ${top}`;
    return { line, middle: { x: from.x, y: top - 34 } };
  }
  const isBack = to.x <= from.x;
  const start = from.x + half;
  const end = to.x - half - 2;
  const bend = isBack ? 90 : Math.max(30, (end - start) / 2);
  const line = `M${start} ${from.y} C${start + bend} ${from.y} ${end - bend} ${to.y} ${end} ${to.y}`;
  return { line, middle: { x: (start + end) / 2, y: (from.y + to.y) / 2 } };
}

function toneOf(failureShare: number | null): string {
  if (failureShare === null) return 'quiet';
  if (failureShare >= 0.05) return 'bad';
  return failureShare >= 0.01 ? 'warn' : 'fine';
}

function nodeFigures({ requestsPerS, failureShare, p99Ms, bytesPerS, kind }: GraphNode): string {
  if (kind === 'unknown') return 'callers without a sidecar';
  if (requestsPerS === null) return 'nothing known yet';
  if (requestsPerS === 0 && (bytesPerS ?? 0) > 0) return `open connections, ${bytes(bytesPerS)}/s`;
  if (requestsPerS === 0) return kind === 'gateway' ? 'edge of the mesh' : 'nothing arrives';
  return [rate(requestsPerS), share(failureShare), milliseconds(p99Ms)].join(' · ');
}

function kindOf({ failureShare, securedShare }: GraphEdge): string {
  return `edge ${toneOf(failureShare)}${securedShare !== null && securedShare < 1 ? ' open' : ''}`;
}

/** As wide as its rate says, on a scale of tens. */
function widthOf({ requestsPerS }: GraphEdge): string {
  return (1 + Math.min(4, Math.log10(1 + (requestsPerS ?? 0)) * 1.2)).toFixed(1);
}

function looksOf(edge: GraphEdge): string {
  return `${kindOf(edge)} ${widthOf(edge)}`;
}

function figuresOf(edge: GraphEdge): string {
  return [rate(edge.requestsPerS), share(edge.failureShare), milliseconds(edge.p99Ms), share(edge.securedShare)].join(
    ' ',
  );
}

function titleOf(edge: GraphEdge): string {
  const several = edge.count > 1 ? ` (${edge.count} connections)` : '';
  return [
    `${edge.from.replace('namespace:', '')} to ${edge.to.replace('namespace:', '')}${several}`,
    `${rate(edge.requestsPerS)}, ${share(edge.failureShare)} failed, p99 ${milliseconds(edge.p99Ms)}`,
    `${share(edge.securedShare)} over mutual TLS`,
  ].join('\n');
}

function shortened(name: string): string {
  return name.length > 22 ? `${name.slice(0, 20)}…` : name;
}

function keyUnder(target: EventTarget | null): string {
  return target instanceof Element ? (target.closest('[data-key]')?.getAttribute('data-key') ?? '') : '';
}

function middleOf(svg: SVGSVGElement | null): Point {
  return { x: (svg?.clientWidth ?? 0) / 2, y: (svg?.clientHeight ?? 0) / 2 };
}

function fitView(svg: SVGSVGElement, { width, height }: Placed): View {
  const { clientWidth, clientHeight } = svg;
  const least = clientWidth < NARROW ? LEAST_NARROW_SCALE : LEAST_SCALE;
  const whole = Math.min(1.1, clientWidth / Math.max(1, width), clientHeight / Math.max(1, height));
  const scale = Math.max(least, whole);
  return { x: Math.max(0, (clientWidth - width * scale) / 2), y: (clientHeight - height * scale) / 2, scale };
}

function zoomed(view: View, factor: number, around: Point): View {
  const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, view.scale * factor));
  const grown = scale / view.scale;
  return { x: around.x - (around.x - view.x) * grown, y: around.y - (around.y - view.y) * grown, scale };
}

/** Drag, wheel, pinch and keys. */
function useMoves(
  place: { readonly current: SVGSVGElement | null },
  setView: (change: (old: View) => View) => void,
  fit: () => void,
): void {
  const fitNow = useRef(fit);
  fitNow.current = fit;
  useEffect(() => {
    const svg = place.current;
    if (svg === null) return undefined;
    const pointers = new Map<number, Point>();
    const local = ({ clientX, clientY }: { readonly clientX: number; readonly clientY: number }): Point => {
      const box = svg.getBoundingClientRect();
      return { x: clientX - box.left, y: clientY - box.top };
    };
    const wheel = (event: WheelEvent): void => {
      // The page itself scrolls with the wheel; with Ctrl, or two fingers drawn together, the picture does.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      setView((old) => zoomed(old, WHEEL_STEP ** -event.deltaY, local(event)));
    };
    const down = (event: PointerEvent): void => void pointers.set(event.pointerId, local(event));
    const move = (event: PointerEvent): void => {
      const before = pointers.get(event.pointerId);
      if (before === undefined || (event.pointerType === 'mouse' && event.buttons === 0)) return;
      const now = local(event);
      const other = Array.from(pointers).find(([id]) => id !== event.pointerId)?.[1];
      if (other === undefined) setView((old) => ({ ...old, x: old.x + now.x - before.x, y: old.y + now.y - before.y }));
      else setView((old) => zoomed(old, distance(now, other) / Math.max(1, distance(before, other)), now));
      pointers.set(event.pointerId, now);
    };
    const up = (event: PointerEvent): void => void pointers.delete(event.pointerId);
    const key = (event: KeyboardEvent): void => {
      const steps: Readonly<Record<string, Point>> = {
        ArrowLeft: { x: KEY_STEP, y: 0 },
        ArrowRight: { x: -KEY_STEP, y: 0 },
        ArrowUp: { x: 0, y: KEY_STEP },
        ArrowDown: { x: 0, y: -KEY_STEP },
      };
      const step = steps[event.key];
      if (step !== undefined) setView((old) => ({ ...old, x: old.x + step.x, y: old.y + step.y }));
      else if (event.key === '+' || event.key === '=') setView((old) => zoomed(old, 1.3, middleOf(svg)));
      else if (event.key === '-') setView((old) => zoomed(old, 1 / 1.3, middleOf(svg)));
      else if (event.key === '0') fitNow.current();
      else return;
      event.preventDefault();
    };
    const resized = new ResizeObserver(() => fitNow.current());
    resized.observe(svg);
    svg.addEventListener('wheel', wheel, { passive: false });
    svg.addEventListener('pointerdown', down);
    svg.addEventListener('keydown', key);
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', up);
    window.addEventListener('pointercancel', up);
    return () => {
      resized.disconnect();
      svg.removeEventListener('wheel', wheel);
      svg.removeEventListener('pointerdown', down);
      svg.removeEventListener('keydown', key);
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', up);
      window.removeEventListener('pointercancel', up);
    };
  }, []);
}

function distance(left: Point, right: Point): number {
  return Math.hypot(left.x - right.x, left.y - right.y);
}
