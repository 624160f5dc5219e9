/** Letters on the canvas of a graph. */
import { milliseconds, share } from '../format.ts';
import type { Ink } from './graph-ink.ts';
import { type SceneEdge, carried } from './graph-scene.ts';

export const LABEL_SIZE = 11;

/** Rate and failures over the middle of an edge, slowness and security under it. */
export function paintFigures(
  context: CanvasRenderingContext2D,
  ink: Ink,
  { edge, way, tone }: SceneEdge,
  grown: number,
): void {
  const { x, y } = way.middle;
  const failing = (edge.failureShare ?? 0) > 0 ? ` ${share(edge.failureShare)}` : '';
  context.font = `${LABEL_SIZE * grown}px ${ink.font}`;
  const failingInk = tone === 'bad' ? ink.bad : tone === 'warn' ? ink.warn : ink.soft;
  paintPair(context, ink, [carried(edge), ink.ink, failing, failingInk], x, y - 7 * grown, grown);
  const slow = edge.p99Ms === null ? '' : `p99 ${milliseconds(edge.p99Ms)}`;
  const isOpen = edge.securedShare !== null && edge.securedShare < 1;
  const open = isOpen ? (slow === '' ? 'no mTLS' : ' no mTLS') : '';
  paintPair(context, ink, [slow, ink.soft, open, ink.warn], x, y + 15 * grown, grown);
  if (edge.securedShare !== 1) return;
  const aside = slow === '' ? 0 : context.measureText(slow).width / 2 + 8 * grown;
  context.save();
  context.translate(x + aside, y + 10 * grown);
  context.scale(grown, grown);
  context.fillStyle = ink.good;
  context.strokeStyle = ink.good;
  context.lineWidth = 1.2;
  context.fillRect(-4, -1, 8, 6);
  context.beginPath();
  context.arc(0, -2.3, 2, Math.PI, 0);
  context.lineTo(2, -0.5);
  context.moveTo(-2, -2.3);
  context.lineTo(-2, -0.5);
  context.stroke();
  context.restore();
}

/** Two words beside each other in two colours, around `x`. */
function paintPair(
  context: CanvasRenderingContext2D,
  ink: Ink,
  [first, firstInk, second, secondInk]: readonly [string, string, string, string],
  x: number,
  y: number,
  grown: number,
): void {
  const width = context.measureText(first).width;
  const whole = width + context.measureText(second).width;
  context.textAlign = 'left';
  haloed(context, ink, firstInk, first, x - whole / 2, y, grown);
  haloed(context, ink, secondInk, second, x - whole / 2 + width, y, grown);
}

/** Letters that stay readable over lines. */
export function haloed(
  context: CanvasRenderingContext2D,
  ink: Ink,
  colour: string,
  words: string,
  x: number,
  y: number,
  grown: number,
): void {
  if (words === '') return;
  context.strokeStyle = ink.ground;
  context.lineWidth = 4 * grown;
  context.lineJoin = 'round';
  context.strokeText(words, x, y);
  context.fillStyle = colour;
  context.fillText(words, x, y);
}

/** As much of the words as there is room for. */
export function fitted(context: CanvasRenderingContext2D, words: string, room: number): string {
  if (words.length < 12 || context.measureText(words).width <= room) return words;
  let low = 0;
  let high = Math.min(words.length, 64);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${words.slice(0, middle)}…`).width <= room) low = middle;
    else high = middle - 1;
  }
  return `${words.slice(0, low)}…`;
}
