import {
  type InjectionSettings,
  type PodTemplate,
  injectLabel,
  injectPod,
  patchOf,
  podTemplates,
} from '@weft/injection';
import { formatProblem } from '@weft/model';
import { type Document, parseAllDocuments } from 'yaml';

/** What came of a file of objects. */
export interface InjectedText {
  /** The same documents, those that make pods with a sidecar; comments and order stay. */
  readonly text: string;
  readonly injected: number;
  /** What to know of pods that were left alone or have something of their own, one line each. */
  readonly notes: readonly string[];
  /** Why nothing may be done with the text, one line each. */
  readonly faults: readonly string[];
}

/** As large as an API server takes one object, times the objects people keep in a file. */
const LONGEST_TEXT = 64 * 1024 * 1024;

const MOST_ALIASES = 100;

/** Whoever asks by hand asks for every pod of the text; a pod's own label still says no. */
const asked = { [injectLabel]: 'enabled' };

/** Injects into every pod that the documents of `text` are or make. `file` is for messages, `makeKey` makes secrets. */
export function injectDocuments(
  text: string,
  file: string,
  settings: InjectionSettings,
  makeKey: () => string,
): InjectedText {
  const notes: string[] = [];
  const faults: string[] = [];
  let injected = 0;
  if (text.length > LONGEST_TEXT) return { text, injected, notes, faults: [`${file}: larger than 64 MiB; split it`] };
  const documents = parseAllDocuments(text, { keepSourceTokens: false });
  // Only an empty text gives something else than a list.
  for (const document of Array.isArray(documents) ? documents : []) {
    const error = document.errors[0];
    if (error !== undefined) {
      faults.push(`${file}: ${error.message.split('\n')[0] ?? ''}`);
      continue;
    }
    const templates = templatesOf(document);
    if (templates === undefined)
      faults.push(`${file}: its aliases make far more of it than stands there; write them out`);
    for (const { path, pod, owner, namespace } of templates ?? []) {
      const result = injectPod(pod, { namespace, namespaceLabels: asked, drainKey: makeKey() }, settings, owner);
      if (result.kind === 'refuse')
        faults.push(...result.problems.map((problem) => `${file}: ${formatProblem(problem)}`));
      else if (result.kind === 'leave') notes.push(`${file}: ${owner || 'the pod'} is left alone: ${result.message}`);
      else {
        injected += 1;
        notes.push(...result.notes.map((note) => `${file}: ${note}`));
        for (const { path: pointer, value } of patchOf(pod, result.pod)) {
          document.setIn([...path, ...stepsOf(pointer)], document.createNode(value, { aliasDuplicateObjects: false }));
        }
      }
    }
  }
  if (faults.length > 0 || !Array.isArray(documents)) return { text, injected, notes, faults };
  // Each document but the first brings the line that parts it from the one before.
  return { text: documents.map((document) => document.toString({ lineWidth: 0 })).join(''), injected, notes, faults };
}

/** Undefined when aliases multiply the values beyond what a manifest needs. */
function templatesOf(document: Document): readonly PodTemplate[] | undefined {
  try {
    return podTemplates(document.toJS({ maxAliasCount: MOST_ALIASES }));
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

function stepsOf(pointer: string): string[] {
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}
