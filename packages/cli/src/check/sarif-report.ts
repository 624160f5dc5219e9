import { type CheckResult, type Finding, describeCode } from '@weft/analysis';
import { problemCodes } from '@weft/model';

/** A SARIF 2.1.0 log (OASIS), which code hosts show beside the lines of a change. Plain data, to be written as JSON. */
export function sarifReport({ findings }: CheckResult, version: string): unknown {
  const ids = [...new Set(findings.map(({ code }) => code))].sort();
  const rules = ids.map((id) => ({ id, shortDescription: { text: describe(id) } }));
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'weft', semanticVersion: version, rules } },
        columnKind: 'utf16CodeUnits',
        results: findings.map((finding) => resultOf(finding, ids.indexOf(finding.code))),
      },
    ],
  };
}

function resultOf(finding: Finding, ruleIndex: number): unknown {
  const { code, severity, file, line, column, object, path, message, expected, fix } = finding;
  const wanted = expected === '' ? '' : ` (expected ${expected})`;
  const logical = [object.kind, object.namespace, object.name].filter((part) => part !== '').join('/');
  return {
    ruleId: code,
    ruleIndex,
    level: severity,
    message: { text: `${message}${wanted}${fix === '' ? '' : `. ${fix}`}` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: toUri(file) },
          region: { startLine: line, startColumn: column },
        },
        ...(logical === '' ? {} : { logicalLocations: [{ fullyQualifiedName: `${logical}${path && `.${path}`}` }] }),
      },
    ],
  };
}

function describe(code: string): string {
  return Object.hasOwn(problemCodes, code)
    ? problemCodes[code as keyof typeof problemCodes].text
    : (describeCode(code) ?? `The object is taken, but its status would say ${code}.`);
}

/** A relative path stays relative, as code hosts want it. */
function toUri(file: string): string {
  const path = file.replaceAll('\\', '/').replace(/^\.\//, '');
  return path.split('/').map(encodeURIComponent).join('/');
}
