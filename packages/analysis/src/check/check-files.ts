import { type DocumentOrigin, Model, type SourceFile, readDocuments, readFileSet, readObject } from '@weft/model';
import { checkPattern } from '@weft/routing';
import { type Finding, fromComplaint, fromProblem } from './finding.ts';
import { lintReferences } from './lint-references.ts';
import { lintRoutes } from './lint-routes.ts';

export interface CheckResult {
  readonly files: number;
  readonly objects: number;
  /** In order of file and line. */
  readonly findings: readonly Finding[];
}

/**
 * Checks files as the control plane would take them: each object for itself (errors: it would be refused), then all of them
 * together (warnings and notes: it would be taken, but something it names is missing, or it hardly does what was meant).
 */
export function checkFiles(files: readonly SourceFile[]): CheckResult {
  const { objects, refused, problems } = readFileSet(files, { checkRegularExpression: checkPattern });
  const findings = problems.map(fromProblem);
  const model = new Model();
  model.applyChanges(objects.map((object) => ({ type: 'Upsert', object })));
  const complaints = [...lintReferences(model), ...lintRoutes(model)];
  if (complaints.length > 0) {
    const origins = originsOf(files);
    for (const complaint of complaints) {
      const { kind, namespace, name } = complaint.object;
      const origin = origins.get(`${kind}/${namespace}/${name}`);
      findings.push(fromComplaint(complaint, origin?.locate(complaint.path)));
    }
  }
  const order = new Map(files.map(({ file }, index) => [file, index]));
  const rank = ({ file }: Finding): number => order.get(file) ?? -1;
  findings.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
  return { files: files.length, objects: objects.length + refused.length, findings };
}

/** Where each object stands, the first of equals. */
function originsOf(files: readonly SourceFile[]): Map<string, DocumentOrigin> {
  const origins = new Map<string, DocumentOrigin>();
  for (const { file, text } of files) {
    for (const { raw, origin } of readDocuments(text, file).documents) {
      const { ref } = readObject(raw, origin);
      const key = `${ref.kind}/${ref.namespace}/${ref.name}`;
      if (!origins.has(key)) origins.set(key, origin);
    }
  }
  return origins;
}
