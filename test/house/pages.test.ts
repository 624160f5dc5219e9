import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem, readDocuments, readObject } from '@weft/model';
import { assertNone } from './findings.ts';
import { projectFiles, readText } from './source-tree.ts';

/** Fenced blocks of YAML, also indented ones, with the line they start at. */
function yamlBlocks(page: string): { text: string; line: number }[] {
  const blocks: { text: string; line: number }[] = [];
  const lines = page.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const fence = /^( *)```yaml$/.exec(lines[at]!);
    if (fence === null) continue;
    const indent = fence[1]!.length;
    const from = at + 1;
    while (lines[at + 1] !== undefined && lines[at + 1]!.trim() !== '```') at += 1;
    blocks.push({
      text: lines
        .slice(from, at + 1)
        .map((line) => line.slice(indent))
        .join('\n'),
      line: from + 1,
    });
  }
  return blocks;
}

describe('pages for users', () => {
  const pages = projectFiles().filter((path) => path.endsWith('.md') && !path.startsWith('test/'));

  test('show configuration that Weft accepts', () => {
    const findings: string[] = [];
    let objects = 0;
    for (const path of pages) {
      for (const { text, line } of yamlBlocks(readText(path))) {
        const { documents, problems } = readDocuments(text, path);
        const read = documents.map((document) => readObject(document.raw, document.origin));
        objects += read.length;
        for (const problem of [...problems, ...read.flatMap((each) => each.problems)]) {
          findings.push(
            `${path}:${line + (problem.origin?.line ?? 1) - 1}: ${formatProblem({ ...problem, origin: undefined })}`,
          );
        }
      }
    }
    assertNone(findings, 'Examples work.');
    assert.ok(objects >= 10, `only ${objects} objects found in the pages: is the fence still \`\`\`yaml?`);
  });
});
