import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Theme } from '../theme.ts';
import { type Camera, type Point, type Size, fitAll, showing, worldPoint, zoomed } from './graph-camera.ts';
import type { Graph } from './graph-model.ts';
import { type Scene, type Ways, edgeAt, makeScene, nearOf } from './graph-scene.ts';
import { GraphSpots } from './graph-spots.tsx';
import { GraphTip, type Pointed } from './graph-tip.tsx';
import { useLayout } from './use-layout.ts';
import { usePainting } from './use-painting.ts';
import { ZOOM_STEP, useMoves } from './use-moves.ts';

export interface GraphViewProps {
  readonly graph: Graph;
  /** What was chosen to be drawn. Another choice is shown whole; new figures of the same leave the picture where it is. */
  readonly choice: string;
  readonly theme: Theme;
  /** A namespace drawn as one is asked to show its services. */
  readonly onOpen: (namespace: string) => void;
}

/** Beyond so many edges, figures are written on those that are pointed at only. */
const MOST_LABELS = 24;
/** How far from an edge one still points at it, in CSS pixels. */
const REACH_PX = 7;
const NOTHING: Pointed = { key: '', at: { x: 0, y: 0 } };
/** Rooms of one kind have one picture: the layout does not follow every pixel. */
const WIDE = 2.6;
const TALL = 0.9;
const NO_SCENE: Scene = { nodes: [], edges: [], blocks: [], isThicket: false };
const NO_ROOM: Size = { width: 0, height: 0 };

/**
 * Services and what goes between them. What is seen is drawn on a canvas; over it lie empty links, one for each node, for
 * pointer, keyboard and readers of the screen: they cost nothing while figures change. Drag, wheel, two fingers, arrow keys,
 * plus and minus move it; 0 shows all.
 */
export function GraphView({ graph, choice, theme, onOpen }: GraphViewProps) {
  const place = useRef<HTMLDivElement>(null);
  const room = useRoom(place);
  const placed = useLayout(graph, room.width === 0 ? 0 : room.width > room.height * 1.5 ? WIDE : TALL);
  const [camera, setCamera] = useState<Camera>({ x: 0, y: 0, scale: 1 });
  const [pointed, setPointed] = useState<Pointed>(NOTHING);
  const isMoved = useRef(false);
  const fittedChoice = useRef<string | null>(null);

  const fit = (): void => {
    isMoved.current = false;
    if (placed !== null && room.width > 0) setCamera(fitAll(room, placed));
  };
  const change = (how: (old: Camera) => Camera): void => {
    isMoved.current = true;
    setCamera(how);
  };
  useLayoutEffect(() => {
    if (placed === null || room.width === 0) return;
    if (isMoved.current && fittedChoice.current === choice) return;
    fittedChoice.current = choice;
    fit();
  }, [placed, room]);
  useMoves({ place, change, fit });

  const ways = useMemo<Ways>(() => new Map(), [placed]);
  const scene = useMemo<Scene>(() => (placed === null ? NO_SCENE : makeScene(graph, placed, ways)), [graph, placed]);
  const near = useMemo(() => (pointed.key === '' ? null : nearOf(scene, pointed.key)), [scene, pointed.key]);
  const isLabelled = graph.edges.length <= MOST_LABELS;
  const canvases = usePainting({ place, scene, near, pointed: pointed.key, camera, room, theme, isLabelled });

  const point = (event: MouseEvent): void => {
    if (event.buttons !== 0) return;
    const key = keyUnder(event.target);
    if (key === pointed.key && key !== '') return;
    const at = localPoint(event, place.current);
    if (key !== '') setPointed({ key, at });
    else if (isButton(event.target)) setPointed(NOTHING);
    else {
      const found = edgeAt(scene, worldPoint(camera, at), REACH_PX / camera.scale);
      if (found?.edge.id !== pointed.key) setPointed(found === undefined ? NOTHING : { key: found.edge.id, at });
    }
  };
  const focused = (event: FocusEvent): void => {
    const key = keyUnder(event.target);
    const node = key === '' ? undefined : scene.nodes.find((each) => each.node.id === key);
    if (node === undefined || !(event.target as Element).matches(':focus-visible')) return;
    const next = showing(camera, node.box, room);
    if (next.x !== camera.x || next.y !== camera.y) change(() => next);
    const { left, bottom } = node.box;
    setPointed({ key, at: { x: left * next.scale + next.x, y: bottom * next.scale + next.y } });
  };
  const middle = { x: room.width / 2, y: room.height / 2 };
  const label = `${graph.nodes.length} of the mesh, ${graph.edges.length} connections; the table below says the same`;
  return (
    <div
      ref={place}
      class={near !== null && !isLabelled ? 'graph dim' : 'graph'}
      tabIndex={0}
      role="group"
      aria-label={label}
      data-nodes={scene.nodes.length}
      data-edges={scene.edges.length}
      onPointerMove={point}
      onPointerLeave={() => setPointed(NOTHING)}
      onFocusIn={focused}
      onFocusOut={() => setPointed(NOTHING)}
    >
      <canvas ref={canvases.base} aria-hidden="true" />
      <canvas ref={canvases.near} class="near" aria-hidden="true" />
      <GraphSpots nodes={scene.nodes} camera={camera} onOpen={onOpen} />
      <GraphTip near={near} pointed={pointed} room={room} />
      {placed === null ? <p class="empty over">Laying out …</p> : null}
      <div class="zoom" role="group" aria-label="Zoom">
        <button type="button" aria-label="Closer" onClick={() => change((old) => zoomed(old, ZOOM_STEP, middle))}>
          +
        </button>
        <button type="button" aria-label="Farther" onClick={() => change((old) => zoomed(old, 1 / ZOOM_STEP, middle))}>
          −
        </button>
        <button type="button" aria-label="Show all" onClick={fit}>
          ⤢
        </button>
      </div>
    </div>
  );
}

/** Size of the place, as it is now. */
function useRoom(place: { readonly current: HTMLElement | null }): Size {
  const [room, setRoom] = useState(NO_ROOM);
  useLayoutEffect(() => {
    const { current } = place;
    if (current === null) return undefined;
    const read = (): void => setRoom({ width: current.clientWidth, height: current.clientHeight });
    const watch = new ResizeObserver(read);
    watch.observe(current);
    // Another zoom of the browser is another number of pixels, in a place of the same size.
    window.addEventListener('resize', read);
    read();
    return () => {
      watch.disconnect();
      window.removeEventListener('resize', read);
    };
  }, []);
  return room;
}

function keyUnder(target: EventTarget | null): string {
  return target instanceof Element ? (target.closest('[data-key]')?.getAttribute('data-key') ?? '') : '';
}

function isButton(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('.zoom') !== null;
}

function localPoint({ clientX, clientY }: MouseEvent, place: HTMLElement | null): Point {
  const box = place?.getBoundingClientRect();
  return { x: clientX - (box?.left ?? 0), y: clientY - (box?.top ?? 0) };
}
