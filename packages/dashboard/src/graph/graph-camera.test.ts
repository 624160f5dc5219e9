import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitAll, seenBox, showing, worldPoint, zoomed } from './graph-camera.ts';

const ROOM = { width: 1_000, height: 500 };

test('the whole picture is shown in the middle, and a small one is not blown up', () => {
  assert.deepEqual(fitAll(ROOM, { width: 2_000, height: 500 }), { x: 0, y: 125, scale: 0.5 });
  assert.equal(fitAll(ROOM, { width: 100, height: 100 }).scale, 1.1);
});

test('where there is little room names stay readable, from the left', () => {
  const { x, scale } = fitAll({ width: 360, height: 400 }, { width: 5_000, height: 400 });
  assert.deepEqual([x, scale], [0, 0.62]);
});

test('the point that is zoomed at stays where it is, up to the ends of the scale', () => {
  const camera = { x: 30, y: -20, scale: 0.5 };
  const at = { x: 200, y: 100 };
  for (const factor of [1.3, 0.2, 1e6, 1e-6]) {
    const next = zoomed(camera, factor, at);
    const before = worldPoint(camera, at);
    const after = worldPoint(next, at);
    assert.ok(Math.abs(before.x - after.x) < 1e-6 && Math.abs(before.y - after.y) < 1e-6);
    assert.ok(next.scale >= 0.04 && next.scale <= 2);
  }
});

test('a box is brought into the room by no more than it takes', () => {
  const camera = { x: 0, y: 0, scale: 1 };
  assert.deepEqual(showing(camera, { left: 10, top: 10, right: 200, bottom: 60 }, ROOM), camera);
  assert.deepEqual(showing(camera, { left: 900, top: 480, right: 1_072, bottom: 532 }, ROOM), {
    x: -72,
    y: -32,
    scale: 1,
  });
  assert.deepEqual(showing(camera, { left: -40, top: 0, right: 100, bottom: 52 }, ROOM), { x: 40, y: 0, scale: 1 });
});

test('what is seen is the room in units of the world', () => {
  assert.deepEqual(seenBox({ x: 100, y: 50, scale: 0.5 }, ROOM), { left: -200, top: -100, right: 1_800, bottom: 900 });
});
