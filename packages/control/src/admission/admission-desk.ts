import {
  type InjectionSettings,
  type JsonMap,
  captureContainer,
  injectLabel,
  injectPod,
  mapOf,
  mapsOf,
  patchOf,
  textOf,
} from '@weft/injection';
import { formatProblem, readObject } from '@weft/model';
import { checkPattern } from '@weft/routing';
import { type AdmissionAnswer, type AdmissionQuestion, admitted } from './admission-review.ts';

/** A pod that was injected or left alone with something that its owner should hear of. */
export type InjectionNote = (namespace: string, pod: string, message: string) => void;

/** The level of Pod Security that a namespace enforces, as far as it is known; empty for none. */
export type PodSecurity = (namespace: string) => string;

/**
 * Answers about pods. `asked` says by which entry of the webhook configuration the question came: that of namespaces that
 * carry the label, or that of pods that carry it themselves. So no namespace has to be looked up while a pod waits.
 */
export function answerInjection(
  { uid, namespace, object, operation }: AdmissionQuestion,
  asked: 'namespace' | 'pod',
  settings: InjectionSettings,
  note: InjectionNote,
  podSecurity: PodSecurity,
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
  const warnings = [...injection.notes, ...refusedCapture(injection.pod, podSecurity(namespace))];
  return noted({ ...admitted, patch: patchOf(object, injection.pod), warnings });

  function noted(answer: AdmissionAnswer): AdmissionAnswer {
    for (const warning of answer.warnings) note(namespace, podName(object), warning);
    return answer;
  }
}

/** The API server is about to refuse the pod for what was put into it, and will not say why that is there or what else there is. */
function refusedCapture(pod: JsonMap, level: string): string[] {
  if (level !== 'baseline' && level !== 'restricted') return [];
  const capture = mapsOf(mapOf(pod['spec'])['initContainers']).find(({ name }) => name === captureContainer);
  const added = mapOf(mapOf(capture?.['securityContext'])['capabilities'])['add'];
  if (added === undefined) return [];
  return [
    `Pod Security "${level}" refuses NET_ADMIN to ${captureContainer}: install Weft with cni.enabled, or annotate the pod ` +
      'config.weft.dev/capture: None, or label the namespace pod-security.kubernetes.io/enforce: privileged.',
  ];
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
