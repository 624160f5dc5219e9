import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layOutBlocks, layOutGrid } from './graph-grid.ts';

const CELL = { width: 100, height: 20, gapX: 10, gapY: 10 };
const blockOf = (name: string): string => name.slice(0, name.indexOf('/'));
const names = Array.from({ length: 90 }, (_, index) => `team-${index % 4}/service-${index}`);

test('nodes stand in rows in the order of their names, numbers by their worth', () => {
  const { points } = layOutGrid(['b-10', 'b-2', 'a'], CELL, 100);
  assert.ok(points[2]!.x < points[1]!.x && points[1]!.x < points[0]!.x);
  assert.ok(points.every(({ y }) => y === points[0]!.y));
});

test('a wide room gets a wide picture and a narrow one a tall picture', () => {
  const wide = layOutBlocks(names, blockOf, CELL, 3);
  const tall = layOutBlocks(names, blockOf, CELL, 0.7);
  assert.ok(wide.width / wide.height > 1.5 && tall.width / tall.height < 1.2);
});

test('each node stands in the block of its namespace, and none over another', () => {
  for (const aspect of [0.5, 1, 2.7]) {
    const { points, blocks, width, height } = layOutBlocks(names, blockOf, CELL, aspect);
    for (const [index, name] of names.entries()) {
      const { x, y } = points[index]!;
      const { box } = blocks.find((block) => block.name === blockOf(name))!;
      assert.ok(x - 50 > box.left && x + 50 < box.right && y - 10 > box.top && y + 10 < box.bottom, name);
      for (const other of points.slice(0, index))
        assert.ok(Math.abs(other.x - x) >= 110 || Math.abs(other.y - y) >= 30);
    }
    for (const { box } of blocks)
      assert.ok(box.right <= width && box.bottom <= height && box.left >= 0 && box.top >= 0);
  }
});

test('a new connection moves nothing, a new service none before it', () => {
  const before = layOutBlocks(names, blockOf, CELL, 2);
  const after = layOutBlocks([...names, 'team-3/service-zzz'], blockOf, CELL, 2);
  assert.deepEqual(after.points[0], before.points[0]);
});
