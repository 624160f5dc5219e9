/** Nodes in rows, in the order of their names, alone or in a block for each namespace. */
import { nameOrder } from '../format.ts';
import type { Box, Point, Size } from './graph-camera.ts';

export interface Cell extends Size {
  readonly gapX: number;
  readonly gapY: number;
}

export interface Block {
  readonly name: string;
  readonly box: Box;
}

export interface Grid extends Size {
  /** Middles, in the order of the names as given. */
  readonly points: readonly Point[];
}

const MARGIN = 16;
const BLOCK_PADDING = 10;
/** Over the nodes of a block stands its name. */
export const BLOCK_TITLE = 30;
const BLOCK_GAP = 18;

export function layOutGrid(names: readonly string[], cell: Cell, aspect: number): Grid {
  const columns = bestColumns(names.length, (count) => sizeOf(names.length, count, cell), aspect);
  const { width, height } = sizeOf(names.length, columns, cell);
  const points = new Map(
    inOrder(names).map((name, index) => [name, pointOf(index, columns, cell, { x: MARGIN, y: MARGIN })]),
  );
  return { width: width + 2 * MARGIN, height: height + 2 * MARGIN, points: names.map((name) => points.get(name)!) };
}

/** Blocks are filled downwards, columns of blocks from left to right. */
export function layOutBlocks(
  names: readonly string[],
  blockOf: (name: string) => string,
  cell: Cell,
  aspect: number,
): Grid & { readonly blocks: readonly Block[] } {
  const members = Map.groupBy(inOrder(names), blockOf);
  const blockNames = inOrder([...members.keys()]);
  // As many columns of nodes for each block and of blocks as let the whole be seen largest.
  const widest = Math.max(...Array.from(members.values(), ({ length }) => length));
  let best: Packing = { columns: 1, width: 0, height: 0, corners: [] };
  let bestScale = 0;
  for (let columns = 1; columns <= widest; columns += 1) {
    for (let across = 1; across <= blockNames.length; across += 1) {
      const packing = pack(
        blockNames.map((name) => blockSize(members.get(name)!.length, columns, cell)),
        across,
        columns,
      );
      const scale = Math.min(aspect / packing.width, 1 / packing.height);
      if (scale <= bestScale) continue;
      bestScale = scale;
      best = packing;
    }
    // Beyond it, only shapes that nobody wants follow.
    if (columns > 12) break;
  }
  const points = new Map<string, Point>();
  const blocks = blockNames.map((name, index): Block => {
    const corner = best.corners[index]!;
    const inside = members.get(name)!;
    const start = { x: corner.x + BLOCK_PADDING, y: corner.y + BLOCK_TITLE };
    for (const [at, member] of inside.entries()) points.set(member, pointOf(at, best.columns, cell, start));
    const { width, height } = blockSize(inside.length, best.columns, cell);
    return { name, box: { left: corner.x, top: corner.y, right: corner.x + width, bottom: corner.y + height } };
  });
  return { width: best.width, height: best.height, points: names.map((name) => points.get(name)!), blocks };
}

interface Packing extends Size {
  /** Of nodes in each block. */
  readonly columns: number;
  readonly corners: readonly Point[];
}

/** Blocks one under the other in `across` columns, as many in each. */
function pack(sizes: readonly Size[], across: number, columns: number): Packing {
  const width = Math.max(...sizes.map((size) => size.width));
  const most = Math.ceil(sizes.length / across);
  const corners: Point[] = [];
  let column = 0;
  let filled = MARGIN;
  let inColumn = 0;
  let height = 0;
  for (const size of sizes) {
    if (inColumn === most) {
      column += 1;
      inColumn = 0;
      filled = MARGIN;
    }
    corners.push({ x: MARGIN + column * (width + BLOCK_GAP), y: filled });
    filled += size.height + BLOCK_GAP;
    inColumn += 1;
    height = Math.max(height, filled);
  }
  return {
    columns,
    corners,
    width: 2 * MARGIN + (column + 1) * (width + BLOCK_GAP) - BLOCK_GAP,
    height: height + MARGIN - BLOCK_GAP,
  };
}

function blockSize(members: number, columns: number, cell: Cell): Size {
  const { width, height } = sizeOf(members, columns, cell);
  return { width: width + 2 * BLOCK_PADDING, height: height + BLOCK_TITLE + BLOCK_PADDING };
}

function bestColumns(count: number, size: (columns: number) => Size, aspect: number): number {
  let best = 1;
  let bestScale = 0;
  for (let columns = 1; columns <= count; columns += 1) {
    const { width, height } = size(columns);
    const scale = Math.min(aspect / width, 1 / height);
    if (scale <= bestScale) continue;
    bestScale = scale;
    best = columns;
  }
  return best;
}

function sizeOf(count: number, columns: number, { width, height, gapX, gapY }: Cell): Size {
  const across = Math.min(columns, Math.max(1, count));
  const down = Math.max(1, Math.ceil(count / columns));
  return { width: across * (width + gapX) - gapX, height: down * (height + gapY) - gapY };
}

function pointOf(index: number, columns: number, { width, height, gapX, gapY }: Cell, start: Point): Point {
  const column = index % columns;
  const row = Math.floor(index / columns);
  return { x: start.x + width / 2 + column * (width + gapX), y: start.y + height / 2 + row * (height + gapY) };
}

function inOrder(names: readonly string[]): readonly string[] {
  return names.toSorted(nameOrder.compare);
}
