import { type InjectionSettings, type JsonMap, injectLabel, injectPod, mapOf, patchOf, textOf } from '@weft/injection';
import { formatProblem, readObject } from '@weft/model';
import { checkPattern } from '@weft/routing';
import { type AdmissionAnswer, type AdmissionQuestion, admitted } from './admission-review.ts';

/** A pod that was injected or left alone with something that its owner should hear of. */
export type InjectionNote = (namespace: string, pod: string, message: string) => void;

/**
 * Answers about pods. `asked` says by which entry of the webhook configuration the question came: that of namespaces that
 * carry the label, or that of pods that carry it themselves. So no namespace has to be looked up while a pod waits.
 */
export function answerInjection(
  { uid, namespace, object, operation }: AdmissionQuestion,
  asked: 'namespace' | 'pod',
  settings: InjectionSettings,
  note: InjectionNote,
): AdmissionAnswer {
  if (operation !== 'CREATE') return admitted;
  // The API server makes the identifier of a question from 122 random bits, and shows it to nobody else.
  const namespaceLabels: JsonMap = asked === 'namespace' ? { [injectLabel]: 'enabled' } : {};
  const injection = injectPod(object, { namespace, namespaceLabels, drainKey: uid }, settings);
  if (injection.kind === 'refuse') {
    return { ...admitted, allowed: false, message: injection.problems.map(formatProblem).join('; ') };
  }
  if (injection.kind === 'leave') {
    const warnings = injection.notable ? [`No sidecar was added: ${injection.message}.`] : [];
    return noted({ ...admitted, warnings });
  }
  return noted({ ...admitted, patch: patchOf(object, injection.pod), warnings: injection.notes });

  function noted(answer: AdmissionAnswer): AdmissionAnswer {
    for (const warning of answer.warnings) note(namespace, podName(object), warning);
    return answer;
  }
}

/** Most pods are named by the API server after they were admitted; until then by what their name will begin with. */
function podName(object: JsonMap): string {
  const metadata = mapOf(object['metadata']);
  return textOf(metadata['name']) || textOf(metadata['generateName']);
}

/** Answers about objects of Weft's own kinds: refused with the path of each fault, by the reader that will read them. */
export function answerValidation({ object, operation }: AdmissionQuestion): AdmissionAnswer {
  if (operation === 'DELETE') return admitted;
  const { problems } = readObject(object, undefined, { checkRegularExpression: checkPattern });
  const errors = problems.filter(({ severity }) => severity === 'error');
  const warnings = problems.filter(({ severity }) => severity === 'warning').map(formatProblem);
  if (errors.length === 0) return { ...admitted, warnings };
  const shown = errors.slice(0, MOST_ERRORS).map(formatProblem);
  if (errors.length > MOST_ERRORS) shown.push(`and ${errors.length - MOST_ERRORS} more`);
  return { ...admitted, allowed: false, warnings, message: shown.join('; ') };
}

/** More are not read by anybody at once. */
const MOST_ERRORS = 20;
