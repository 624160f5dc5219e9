import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Theme } from '../theme.ts';
import type { Camera, Size } from './graph-camera.ts';
import { type Ink, readInk } from './graph-ink.ts';
import { type Sheet, clearSheet, paintNear, paintScene } from './graph-painter.ts';
import type { Scene } from './graph-scene.ts';

export interface Painting {
  readonly place: { readonly current: HTMLElement | null };
  readonly scene: Scene;
  readonly near: Scene | null;
  readonly pointed: string;
  readonly camera: Camera;
  readonly room: Size;
  readonly theme: Theme;
  readonly isLabelled: boolean;
}

/** Draws at most once a frame, the whole only when more has changed than what is pointed at. */
export function usePainting(painting: Painting) {
  const { scene, near, pointed, camera, room, theme, isLabelled } = painting;
  const base = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const latest = useRef(painting);
  latest.current = painting;
  const isStale = useRef(true);
  const frame = useRef(0);
  const known = useRef<{ readonly theme: Theme; readonly ink: Ink } | null>(null);
  const paint = (): void => {
    frame.current = 0;
    const now = latest.current;
    if (now.place.current === null || base.current === null || over.current === null) return;
    if (known.current?.theme !== now.theme) known.current = { theme: now.theme, ink: readInk(now.place.current) };
    const { ink } = known.current;
    const sheet: Sheet = { canvas: base.current, size: now.room, ratio: devicePixelRatio, camera: now.camera, ink };
    if (isStale.current) paintScene(sheet, now.scene, now.isLabelled);
    isStale.current = false;
    const overSheet: Sheet = { ...sheet, canvas: over.current };
    if (now.near === null) clearSheet(overSheet);
    else paintNear(overSheet, now.near, now.pointed);
  };
  const ask = (): void => {
    if (frame.current === 0) frame.current = requestAnimationFrame(paint);
  };
  useLayoutEffect(() => {
    isStale.current = true;
    ask();
  }, [scene, camera, room, theme, isLabelled]);
  useLayoutEffect(ask, [near, pointed]);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  return { base, near: over };
}
