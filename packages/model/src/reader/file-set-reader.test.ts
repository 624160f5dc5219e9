import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProblem } from '../problem/problem.ts';
import { readFileSet } from './file-set-reader.ts';

const service = (name: string, port: number): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: ${port}}]}\n`;

test('of two objects with one name the first by file name holds, whatever order files are listed in', () => {
  const files = [
    { file: 'b.yaml', text: service('x', 2) },
    { file: 'a.yaml', text: `${service('x', 1)}---\n${service('y', 1)}` },
  ];
  const forwards = readFileSet(files);
  assert.deepEqual(forwards, readFileSet(files.toReversed()));
  assert.deepEqual(
    forwards.objects.map(({ metadata, spec }) => [metadata.name, spec]),
    [
      ['x', { ports: [{ port: 1 }] }],
      ['y', { ports: [{ port: 1 }] }],
    ],
  );
  assert.deepEqual(forwards.problems.map(formatProblem), [
    'b.yaml:1:1: error: Service default/x: the object stands at a.yaml:1 already. Remove one of the two.',
  ]);
});

test('a refused object is named with its problems and the others are read', () => {
  const { objects, refused, problems } = readFileSet([
    { file: 'a.yaml', text: `${service('bad', 0)}---\na: b: c\n---\n${service('good', 1)}` },
  ]);
  assert.deepEqual(
    objects.map(({ metadata }) => metadata.name),
    ['good'],
  );
  assert.deepEqual(
    refused.map(({ ref }) => ref.name),
    ['bad'],
  );
  assert.deepEqual(problems.map(({ code, origin }) => [code, origin?.line]).slice(0, 2), [
    ['out-of-range', 4],
    ['syntax', 6],
  ]);
});
