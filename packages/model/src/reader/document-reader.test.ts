import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentLimits, readDocuments } from './document-reader.ts';

const codes = (text: string): string[] => readDocuments(text, 'f.yaml').problems.map(({ code }) => code);

test('documents of one file are read in order with the line each begins at', () => {
  const { documents, problems } = readDocuments('a: 1\n---\n# nothing\n---\nb: [x, {c: null}]\n', 'f.yaml');
  assert.deepEqual(problems, []);
  assert.deepEqual(
    documents.map(({ raw }) => raw),
    [{ a: 1 }, { b: ['x', { c: null }] }],
  );
  assert.deepEqual(
    documents.map(({ origin }) => origin.line),
    [1, 5],
  );
});

test('a field is found by its path, and a missing one by the nearest above it', () => {
  const { documents } = readDocuments('spec:\n  rules:\n  - name: a\n    port: 80\n  - {name: b}\n', 'f.yaml');
  const origin = documents[0]!.origin;
  assert.deepEqual(origin.locate(['spec', 'rules', 0, 'port']), { file: 'f.yaml', line: 4, column: 11 });
  assert.deepEqual(origin.locate(['spec', 'rules', 0, 'port'], true), { file: 'f.yaml', line: 4, column: 5 });
  assert.deepEqual(origin.locate(['spec', 'rules', 1, 'nothing']), { file: 'f.yaml', line: 5, column: 5 });
  assert.deepEqual(origin.locate(['spec', 'rules']), { file: 'f.yaml', line: 2, column: 3 });
  assert.deepEqual(origin.locate(['status', 'x']), { file: 'f.yaml', line: 1, column: 1 });
});

test('YAML 1.2 reads yes, no, on and octal-looking numbers as what they are', () => {
  const { documents } = readDocuments('{a: yes, b: no, c: on, d: 0o10, e: 010, f: 1.5, g: true}', 'f.yaml');
  assert.deepEqual(documents[0]!.raw, { a: 'yes', b: 'no', c: 'on', d: 8, e: 10, f: 1.5, g: true });
});

test('aliases of one document share their anchor and anchors do not leak into the next', () => {
  const { documents, problems } = readDocuments('a: &x {p: 1}\nb: *x\n---\nc: *x\n', 'f.yaml');
  assert.deepEqual(documents[0]!.raw, { a: { p: 1 }, b: { p: 1 } });
  assert.equal(documents.length, 1);
  assert.deepEqual(
    problems.map(({ code, origin }) => [code, origin?.line]),
    [['syntax', 4]],
  );
});

test('an alias inside its own anchor is refused', () => {
  assert.deepEqual(codes('a: &x [*x]\n'), ['syntax']);
});

test('an alias bomb is refused without being expanded', () => {
  let text = 'l0: &l0 [x, x, x, x, x, x, x, x, x]\n';
  for (let level = 1; level < 30; level += 1) {
    text += `l${level}: &l${level} [${Array.from({ length: 9 }, () => `*l${level - 1}`).join(', ')}]\n`;
  }
  assert.deepEqual(codes(text), ['too-many-values']);
});

test('a hundred megabytes are refused by size alone', () => {
  assert.deepEqual(codes('x'.repeat(100 * 1024 * 1024)), ['document-too-large']);
});

test('a document beyond its own limit is refused and the next one is read', () => {
  const { documents, problems } = readDocuments(
    `a: ${'x'.repeat(documentLimits.documentLength)}\n---\nb: 1\n`,
    'f.yaml',
  );
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['document-too-large'],
  );
  assert.deepEqual(documents[0]!.raw, { b: 1 });
});

test('nesting beyond the limit is refused, in flow and in block style', () => {
  assert.deepEqual(codes(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), ['too-deep']);
  assert.deepEqual(codes(`${'{a: '.repeat(200)}1${'}'.repeat(200)}`), ['too-deep']);
  let block = '';
  for (let depth = 0; depth < 100; depth += 1) block += `${' '.repeat(depth)}a:\n`;
  assert.deepEqual(codes(block), ['too-deep']);
});

test('what an alias nests beyond the limit is refused where it is read', () => {
  let text = 'a0: &a0 [1]\n';
  for (let level = 1; level < 40; level += 1) text += `a${level}: &a${level} [*a${level - 1}, *a${level - 1}]\n`;
  assert.deepEqual(codes(text), ['too-many-values']);
});

test('too many documents are refused and those before are kept', () => {
  const { documents, problems } = readDocuments('a: 1\n---\n'.repeat(5), 'f.yaml', { ...documentLimits, documents: 3 });
  assert.equal(documents.length, 3);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['too-many-documents'],
  );
});

test('many keys in one map are read in linear time and counted', () => {
  let text = '';
  for (let index = 0; index < 60_000; index += 1) text += `k${index}: 1\n`;
  assert.deepEqual(codes(text), ['too-many-values']);
});

test('dangerous, doubled and composite keys are refused', () => {
  assert.deepEqual(codes('__proto__: {polluted: true}'), ['forbidden-key']);
  assert.deepEqual(codes('a: {b: 1, c: 2, b: 3}'), ['duplicate-key']);
  assert.deepEqual(codes('? [a, b]\n: 1\n'), ['wrong-type']);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('constructor and other inherited names are ordinary keys', () => {
  const { documents } = readDocuments('{constructor: 1, toString: 2, hasOwnProperty: 3}', 'f.yaml');
  assert.deepEqual(Object.entries(documents[0]!.raw as object), [
    ['constructor', 1],
    ['toString', 2],
    ['hasOwnProperty', 3],
  ]);
});

test('tags beyond the core schema are refused', () => {
  assert.deepEqual(codes('a: !!js/function "x"'), ['unsupported-tag']);
  assert.deepEqual(codes('a: !!binary aGk='), ['unsupported-tag']);
});

test('no prefix of a file and no flipped byte makes the reader throw', () => {
  const text = 'a: &x [1, "two", {b: null}]\nc: *x\n---\nd: |\n  text\n';
  for (let end = 0; end <= text.length; end += 1) readDocuments(text.slice(0, end), 'f.yaml');
  for (let at = 0; at < text.length; at += 1) {
    for (const other of ['[', '{', '&', '*', '!', ':', '\t', '\0', '%', '"', '?']) {
      readDocuments(text.slice(0, at) + other + text.slice(at + 1), 'f.yaml');
    }
  }
});

test('a file that opens more than it closes is refused before it takes memory', () => {
  const before = process.memoryUsage().heapUsed;
  for (const opening of ['[', '{', '- ', '? ', '{a: ', '[[', '&a ', '!a ', '"', 'a: |\n', ',', '[,', '*a ', '\t']) {
    const text = opening.repeat(Math.floor(documentLimits.documentLength / opening.length));
    assert.equal(readDocuments(text, 'f.yaml').documents.length, 0, JSON.stringify(opening));
  }
  assert.ok(process.memoryUsage().heapUsed - before < 512 * 1024 * 1024);
});

test('three dashes split documents only where YAML says so', () => {
  const { documents, problems } = readDocuments(
    '%YAML 1.2\n---\na: "x ---"\nb: x\u2028--- y\n---  # end\nc: ---x\n---',
    'f.yaml',
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    documents.map(({ raw, origin }) => [raw, origin.line]),
    [
      [{ a: 'x ---', b: 'x\u2028--- y' }, 3],
      [{ c: '---x' }, 6],
    ],
  );
});
