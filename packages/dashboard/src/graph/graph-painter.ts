/** Draws a scene on a canvas: thousands of edges cost one pass, where as many elements would be styled, laid out and painted each. */
import { type Camera, type Size, seenBox } from './graph-camera.ts';
import { BLOCK_TITLE, type Block } from './graph-grid.ts';
import type { Ink } from './graph-ink.ts';
import { LABEL_SIZE, fitted, haloed, paintFigures } from './graph-letters.ts';
import {
  type Scene,
  type SceneEdge,
  type SceneNode,
  type SceneTone,
  TONES,
  type Way,
  overlaps,
} from './graph-scene.ts';

export interface Sheet {
  readonly canvas: HTMLCanvasElement;
  /** In CSS pixels. */
  readonly size: Size;
  /** Pixels of the screen for each of CSS. */
  readonly ratio: number;
  readonly camera: Camera;
  readonly ink: Ink;
}

/** Under it, names and figures are no more than noise. */
const READABLE_SCALE = 0.45;
/** Lines keep this share of their width when one looks from afar, so that they are seen. */
const LEAST_LINE_SCALE = 0.34;
/** Figures of so many edges of one node are written: more would lie over each other. */
const MOST_NEAR_LABELS = 12;
const LEAST_LETTERS_SCALE = 0.85;
const MOST_FAR_NAMES = 40;
/** Of lines that are too many to be followed each. */
const FAINT = 0.3;
/** Of a thicket, so many lines of one look are drawn as wide as they are busy; a line wider than a pixel takes four times as long. */
const MOST_WIDE_ALIKE = 40;
/** Lower nodes have room for a name. */
const LEAST_CARD_HEIGHT = 40;
/** On the screen; lower nodes have square corners. */
const ROUND_HEIGHT_PX = 18;
const HEAD_LENGTH = 6.5;
const NAME_SIZE = 13;
const CHIP_SIZE = 12.5;

/** The whole scene, with the figures of its edges when `isLabelled`. */
export function paintScene(sheet: Sheet, scene: Scene, isLabelled: boolean): void {
  const context = cleared(sheet);
  const { ink, camera } = sheet;
  const seen = seenBox(camera, sheet.size);
  const blocks = scene.blocks.filter(({ box }) => overlaps(box, seen));
  for (const each of blocks) paintBlock(context, ink, each);
  const edges = scene.edges.filter(({ way }) => overlaps(way.box, seen));
  const lines = new Map<string, SceneEdge[]>();
  for (const each of edges) {
    // All faint lines are equally thin.
    const key =
      scene.isThicket && isCalm(each) ? `0 ${each.isOpen}` : `${TONES.indexOf(each.tone)} ${each.isOpen} ${each.width}`;
    const alike = lines.get(key);
    if (alike === undefined) lines.set(key, [each]);
    else alike.push(each);
  }
  // What fails is drawn over what does not.
  for (const key of [...lines.keys()].sort()) {
    const alike = lines.get(key)!;
    const look = !scene.isThicket ? 'plain' : isCalm(alike[0]!) ? 'faint' : 'thin';
    strokeWays(context, sheet, alike, lineInk(ink, alike[0]!.tone), look);
  }
  const isFar = camera.scale < READABLE_SCALE;
  if (isLabelled && !isFar) for (const each of edges) paintFigures(context, ink, each, 1);
  for (const each of scene.nodes) if (overlaps(each.box, seen)) paintNode(context, sheet, each, false);
  for (const each of blocks) paintBlockName(context, ink, each);
  if (isFar && scene.nodes.length <= MOST_FAR_NAMES) {
    for (const each of scene.nodes) paintFarName(context, sheet, each);
  }
}

/** What is pointed at and what is near it, over the rest. Who calls it and what it calls differ in colour. */
export function paintNear(sheet: Sheet, near: Scene, pointed: string): void {
  const context = cleared(sheet);
  const { ink, camera } = sheet;
  for (const each of near.edges) {
    const colour = each.tone === 'bad' ? ink.bad : each.edge.to === pointed ? ink.blue : ink.accent;
    strokeWays(context, sheet, [each], colour, near.isThicket ? 'thin' : 'plain');
  }
  for (const each of near.nodes) paintNode(context, sheet, each, each.node.id === pointed);
  // Letters too small to be read are written larger, beside what they name.
  if (isSmall(near, camera.scale) && near.nodes.length <= MOST_FAR_NAMES) {
    for (const each of near.nodes) paintFarName(context, sheet, each);
  }
  const letters = Math.max(1, LEAST_LETTERS_SCALE / camera.scale);
  if (near.edges.length <= MOST_NEAR_LABELS) for (const each of near.edges) paintFigures(context, ink, each, letters);
}

/** Names in nodes cannot be read: from afar, and in low nodes earlier. */
function isSmall({ nodes }: Scene, scale: number): boolean {
  const { top = 0, bottom = 0 } = nodes[0]?.box ?? {};
  return scale < (bottom - top < LEAST_CARD_HEIGHT ? LEAST_LETTERS_SCALE : READABLE_SCALE);
}

export function clearSheet(sheet: Sheet): void {
  cleared(sheet);
}

function cleared({ canvas, size, ratio, camera: { x, y, scale } }: Sheet): CanvasRenderingContext2D {
  const context = canvas.getContext('2d')!;
  const width = Math.round(size.width * ratio);
  const height = Math.round(size.height * ratio);
  context.setTransform(1, 0, 0, 1, 0, 0);
  // To set a size clears it too, and takes new memory.
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  } else context.clearRect(0, 0, width, height);
  context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
  return context;
}

/** Lines and heads of edges that look alike. */
function strokeWays(
  context: CanvasRenderingContext2D,
  { camera: { scale }, ratio }: Sheet,
  alike: readonly SceneEdge[],
  colour: string,
  look: 'plain' | 'thin' | 'faint',
): void {
  const { width, isOpen } = alike[0]!;
  const isFar = scale < READABLE_SCALE;
  const isFaint = look === 'faint';
  const isThicket = look !== 'plain';
  const hairline = 1 / (scale * ratio);
  const wide = (isThicket ? 1 + (width - 1) / 3 : width) * Math.max(1, LEAST_LINE_SCALE / scale);
  const isHairline = isFaint || wide <= hairline || (isThicket && alike.length > MOST_WIDE_ALIKE);
  context.strokeStyle = colour;
  context.globalAlpha = isFaint ? FAINT : 1;
  context.lineWidth = isHairline ? hairline : wide;
  // From afar a dash is shorter than a pixel, and costs more than the line.
  if (isOpen && !isFar) context.setLineDash(isThicket ? [14, 10] : [5, 4]);
  if (isHairline) {
    context.beginPath();
    for (const { way } of alike) traceWay(context, way);
    context.stroke();
  } else {
    // Each for itself: wide lines that cross are filled as one shape when they are one path, which takes ten times as long.
    for (const { way } of alike) {
      context.beginPath();
      traceWay(context, way);
      context.stroke();
    }
  }
  if (isOpen && !isFar) context.setLineDash([]);
  if (!isFar && !isFaint) {
    context.fillStyle = colour;
    context.beginPath();
    for (const { way } of alike) traceHead(context, way);
    context.fill();
  }
  context.globalAlpha = 1;
}

function isCalm({ tone }: SceneEdge): boolean {
  return tone === 'quiet' || tone === 'fine';
}

/** Of a line; that little fails is no colour. */
function lineInk(ink: Ink, tone: SceneTone): string {
  return tone === 'bad' || tone === 'warn' ? ink[tone] : ink.edge;
}

function traceWay(context: CanvasRenderingContext2D, { start, bendOut, bendIn, end, bent }: Way): void {
  context.moveTo(start.x, start.y);
  if (bent !== null) context.quadraticCurveTo(bent.x, bent.y, end.x, end.y);
  else context.bezierCurveTo(bendOut.x, bendOut.y, bendIn.x, bendIn.y, end.x, end.y);
}

/** Along the last bend of the way. */
function traceHead(context: CanvasRenderingContext2D, { bendIn, end }: Way): void {
  const length = Math.hypot(end.x - bendIn.x, end.y - bendIn.y) || 1;
  const alongX = (end.x - bendIn.x) / length;
  const alongY = (end.y - bendIn.y) / length;
  const backX = end.x + alongX - alongX * HEAD_LENGTH;
  const backY = end.y + alongY - alongY * HEAD_LENGTH;
  const half = HEAD_LENGTH / 2;
  context.moveTo(end.x + alongX, end.y + alongY);
  context.lineTo(backX - alongY * half, backY + alongX * half);
  context.lineTo(backX + alongY * half, backY - alongX * half);
  context.closePath();
}

/** A namespace, under all of its nodes. */
function paintBlock(context: CanvasRenderingContext2D, ink: Ink, { box }: Block): void {
  const width = box.right - box.left;
  context.fillStyle = ink.panel;
  context.strokeStyle = ink.line;
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(box.left, box.top, width, box.bottom - box.top, 8);
  context.fill();
  context.stroke();
}

/** Over the edges, which would strike it through. */
function paintBlockName(context: CanvasRenderingContext2D, ink: Ink, { name, box }: Block): void {
  context.textAlign = 'left';
  context.font = `600 ${BLOCK_TITLE * 0.6}px ${ink.font}`;
  const title = fitted(context, name === '' ? 'outside' : name, box.right - box.left - 20);
  haloed(context, { ...ink, ground: ink.panel }, ink.ink, title, box.left + 10, box.top + BLOCK_TITLE * 0.68, 1);
}

function paintNode(
  context: CanvasRenderingContext2D,
  { ink, camera: { scale } }: Sheet,
  { node, box, tone, figures }: SceneNode,
  isPointed: boolean,
): void {
  const { left, top } = box;
  const width = box.right - left;
  const height = box.bottom - top;
  const isFar = scale < READABLE_SCALE;
  const mark = tone === 'quiet' ? ink.edge : ink[tone === 'fine' ? 'good' : tone];
  context.fillStyle = tone === 'bad' ? ink.badBox : node.kind === 'namespace' ? ink.raised : ink.panel;
  context.strokeStyle =
    isPointed || node.kind === 'gateway' ? ink.accent : tone === 'bad' || tone === 'warn' ? mark : ink.line;
  const line = isPointed ? 2 : node.kind === 'gateway' ? 1.6 : 1;
  context.lineWidth = isFar ? line / (2 * scale) : line;
  const isGuess = node.kind === 'unknown' || node.kind === 'plain';
  if (isGuess && !isFar) context.setLineDash([4, 3]);
  if (height * scale < ROUND_HEIGHT_PX) {
    // Corners of a pixel or two are not seen, and take twice as long.
    context.fillRect(left, top, width, height);
    context.strokeRect(left, top, width, height);
  } else {
    context.beginPath();
    context.roundRect(left, top, width, height, Math.min(7, height / 5));
    context.fill();
    context.stroke();
  }
  if (isGuess && !isFar) context.setLineDash([]);
  context.fillStyle = mark;
  const isCard = height >= LEAST_CARD_HEIGHT;
  const inset = isCard ? 10 : 5;
  context.fillRect(left, top + inset, isFar ? Math.max(3, 2 / scale) : 3, height - 2 * inset);
  if (isFar) return;
  context.textAlign = 'left';
  context.fillStyle = ink.ink;
  if (!isCard) {
    context.font = `${CHIP_SIZE}px ${ink.font}`;
    context.fillText(fitted(context, node.label, width - 14), left + 9, top + height / 2 + CHIP_SIZE * 0.36);
    return;
  }
  let nameRoom = width - 24;
  if (node.kind === 'namespace') {
    const services = `${node.services} ${node.services === 1 ? 'service' : 'services'}`;
    context.font = `${LABEL_SIZE}px ${ink.font}`;
    context.textAlign = 'right';
    context.fillStyle = ink.soft;
    context.fillText(services, left + width - 10, top + 22);
    context.textAlign = 'left';
    context.fillStyle = ink.ink;
    nameRoom -= context.measureText(services).width + 4;
  }
  context.font = `600 ${NAME_SIZE}px ${ink.font}`;
  context.fillText(fitted(context, node.label, nameRoom), left + 14, top + 22);
  context.fillStyle = ink.soft;
  context.font = `${LABEL_SIZE}px ${ink.font}`;
  context.fillText(fitted(context, figures, width - 20), left + 14, top + 39);
}

/** Over a node too small for letters, in letters of one size. */
function paintFarName(
  context: CanvasRenderingContext2D,
  { ink, camera: { scale } }: Sheet,
  { node, box }: SceneNode,
): void {
  context.font = `600 ${LABEL_SIZE / scale}px ${ink.font}`;
  context.textAlign = 'center';
  haloed(context, ink, ink.ink, node.label, (box.left + box.right) / 2, box.top - 3 / scale, 1 / scale);
}
