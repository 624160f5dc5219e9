import { type CheckResult, type Finding, formatFinding } from '@weft/analysis';

/**
 * The report that CI systems show as tests: one suite, a test for each file with a finding, failed by errors and warnings.
 * Notes are told in `system-out`. A check that found nothing is one test that passed, since an empty report reads as one that
 * was lost. Ends with a line break.
 */
export function junitReport({ files, findings }: CheckResult): string {
  const byFile = new Map<string, Finding[]>();
  for (const finding of findings) byFile.set(finding.file, [...(byFile.get(finding.file) ?? []), finding]);
  const cases = [...byFile].map(([file, found]) => testCase(file, found));
  const failed = [...byFile.values()].filter((found) => found.some(isFailure)).length;
  if (cases.length === 0) cases.push(`    <testcase name="${files} files" classname="weft check"/>\n`);
  const counts = `tests="${cases.length}" failures="${failed}" errors="0"`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="weft check" ${counts}>
  <testsuite name="weft check" ${counts}>
${cases.join('')}  </testsuite>
</testsuites>
`;
}

function testCase(file: string, found: readonly Finding[]): string {
  const failures = found.filter(isFailure);
  const notes = found.filter((finding) => !isFailure(finding));
  const lines = failures.map(
    (finding) =>
      `      <failure type="${xml(finding.code)}" message="${xml(finding.message)}">${xml(formatFinding(finding))}</failure>\n`,
  );
  if (notes.length > 0)
    lines.push(`      <system-out>${xml(notes.map((note) => formatFinding(note)).join('\n'))}</system-out>\n`);
  return `    <testcase name="${xml(file)}" classname="weft check" file="${xml(file)}">\n${lines.join('')}    </testcase>\n`;
}

function isFailure({ severity }: Finding): boolean {
  return severity !== 'note';
}

/** Also without what XML 1.0 cannot hold at all (§2.2). */
function xml(text: string): string {
  return text
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
