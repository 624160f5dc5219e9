import { useEffect, useRef } from 'preact/hooks';
import { type Camera, type Point, moved, zoomed } from './graph-camera.ts';

export interface Moves {
  readonly place: { readonly current: HTMLElement | null };
  readonly change: (change: (old: Camera) => Camera) => void;
  /** Shows all. */
  readonly fit: () => void;
}

const WHEEL_STEP = 1.0015;
const KEY_STEP = 60;
export const ZOOM_STEP = 1.3;
/** A press that moves farther is a drag, and no click. */
const DRAG_PX = 4;

const STEPS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: KEY_STEP, y: 0 },
  ArrowRight: { x: -KEY_STEP, y: 0 },
  ArrowUp: { x: 0, y: KEY_STEP },
  ArrowDown: { x: 0, y: -KEY_STEP },
};

/** Drag, wheel, pinch and keys. */
export function useMoves(moves: Moves): void {
  const latest = useRef(moves);
  latest.current = moves;
  useEffect(() => {
    const place = moves.place.current;
    if (place === null) return undefined;
    const pointers = new Map<number, Point>();
    let pressedAt: Point | null = null;
    let isDrag = false;
    const change = (how: (old: Camera) => Camera): void => latest.current.change(how);
    const local = ({ clientX, clientY }: { readonly clientX: number; readonly clientY: number }): Point => {
      const box = place.getBoundingClientRect();
      return { x: clientX - box.left, y: clientY - box.top };
    };
    const wheel = (event: WheelEvent): void => {
      // The page itself scrolls with the wheel; with Ctrl, or two fingers drawn together, the picture does.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const at = local(event);
      change((old) => zoomed(old, WHEEL_STEP ** -event.deltaY, at));
    };
    const down = (event: PointerEvent): void => {
      if (event.button !== 0) return;
      // Its release may have been lost to a menu or another window.
      pointers.delete(event.pointerId);
      const at = local(event);
      if (pointers.size === 0) {
        pressedAt = at;
        isDrag = false;
      }
      pointers.set(event.pointerId, at);
    };
    const move = (event: PointerEvent): void => {
      const before = pointers.get(event.pointerId);
      if (before === undefined || (event.pointerType === 'mouse' && event.buttons === 0)) return;
      const now = local(event);
      const other = Array.from(pointers).find(([id]) => id !== event.pointerId)?.[1];
      isDrag ||= other !== undefined || (pressedAt !== null && distance(now, pressedAt) > DRAG_PX);
      if (!isDrag) return;
      if (other === undefined) change((old) => moved(old, { x: now.x - before.x, y: now.y - before.y }));
      else change((old) => zoomed(old, distance(now, other) / Math.max(1, distance(before, other)), now));
      pointers.set(event.pointerId, now);
    };
    const up = (event: PointerEvent): void => void pointers.delete(event.pointerId);
    const click = (event: MouseEvent): void => {
      if (!isDrag || event.detail === 0) return;
      // The end of a drag over a node does not open it.
      event.preventDefault();
      event.stopPropagation();
    };
    const key = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const middle = { x: place.clientWidth / 2, y: place.clientHeight / 2 };
      const step = STEPS[event.key];
      if (step !== undefined) change((old) => moved(old, step));
      else if (event.key === '+' || event.key === '=') change((old) => zoomed(old, ZOOM_STEP, middle));
      else if (event.key === '-') change((old) => zoomed(old, 1 / ZOOM_STEP, middle));
      else if (event.key === '0') latest.current.fit();
      else return;
      event.preventDefault();
    };
    place.addEventListener('wheel', wheel, { passive: false });
    place.addEventListener('pointerdown', down);
    place.addEventListener('click', click, { capture: true });
    place.addEventListener('keydown', key);
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', up);
    window.addEventListener('pointercancel', up);
    return () => {
      place.removeEventListener('wheel', wheel);
      place.removeEventListener('pointerdown', down);
      place.removeEventListener('click', click, { capture: true });
      place.removeEventListener('keydown', key);
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', up);
      window.removeEventListener('pointercancel', up);
    };
  }, []);
}

function distance(left: Point, right: Point): number {
  return Math.hypot(left.x - right.x, left.y - right.y);
}
