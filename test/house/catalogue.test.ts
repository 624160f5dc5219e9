import { describe, test } from 'node:test';
import { problemCodes } from '@weft/model';
import { terminationCodes } from '@weft/outcome';
import { referencePages } from '../../deploy/build/reference-pages.ts';
import { reservedTerminations } from './exceptions.ts';
import { assertNone } from './findings.ts';
import { projectFiles, readText, sourceFiles } from './source-tree.ts';

/**
 * Strings of test material, and of golden files: what a test has named, it has at least looked at. Of `code path`, as tables
 * of cases write a problem, the code counts too.
 */
function testedWords(): ReadonlySet<string> {
  const words = new Set<string>();
  for (const file of sourceFiles().values()) {
    if (!file.testMaterial || file.path.startsWith('test/house/')) continue;
    for (const text of file.strings) {
      words.add(text);
      const code = /^([a-z0-9]+(?:-[a-z0-9]+)+) \S*$/.exec(text)?.[1];
      if (code !== undefined) words.add(code);
    }
  }
  for (const path of projectFiles().filter((name) => name.includes('/golden/'))) {
    for (const word of readText(path).match(/[a-z0-9]+(?:-[a-z0-9]+)*/g) ?? []) words.add(word);
  }
  return words;
}

describe('each code of the', () => {
  const words = testedWords();

  test('Termination table is named by a test', () => {
    assertNone(
      terminationCodes
        .filter((code) => !words.has(code) && !reservedTerminations.has(code))
        .map(
          (code) =>
            `packages/outcome/src/termination.ts: ${code}: no test expects this ending; write one, or remove the row`,
        ),
      'Every ending is tested.',
    );
  });

  test('Termination table is used by the program', () => {
    const used = new Set<string>();
    for (const file of sourceFiles().values()) {
      if (file.production && file.owner !== 'outcome') for (const text of file.strings) used.add(text);
    }
    assertNone(
      terminationCodes
        .filter((code) => !used.has(code) && !reservedTerminations.has(code))
        .map(
          (code) =>
            `packages/outcome/src/termination.ts: ${code}: nothing ends this way; remove the row until something does`,
        ),
      'Every ending happens.',
    );
  });

  test('Problem table is named by a test', () => {
    assertNone(
      Object.keys(problemCodes)
        .filter((code) => !words.has(code))
        .map(
          (code) =>
            `packages/model/src/problem/problem-code.ts: ${code}: no test expects this problem; write one, or remove the row`,
        ),
      'Every problem is tested.',
    );
  });
});

describe('the reference pages', () => {
  test('say what the tables say', async () => {
    const findings: string[] = [];
    for (const { path, text } of await referencePages()) {
      if (!projectFiles().includes(path) || readText(path) !== text) {
        findings.push(`${path}: run npm run reference and commit what it wrote`);
      }
    }
    assertNone(findings, 'Reference pages are made from the tables.');
  });
});
