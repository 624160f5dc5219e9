import { type Result, fail, ok } from '@weft/kernel';
import { type KubeClient, type PodFacts, type RawObject, podFacts, reviewToken } from '@weft/kube';
import type { CallFault } from '@weft/wire';
import type { AttestedAccount } from '../identity-desk.ts';

/** Whom projected tokens are made for; a token for the API server itself is not taken. */
export const tokenAudience = 'weft';

/** What the watch knows of a pod; undefined when it knows none of that name. */
export type PodLookup = (namespace: string, name: string) => PodFacts | undefined;

/**
 * Whose a token is: the API server says that it is good, for us, and of which account and pod; the watch says that this very
 * pod runs on that node under that account. A token that was copied out of a pod is good no longer than the pod.
 */
export async function attestAccount(
  client: KubeClient,
  podOf: PodLookup,
  token: string,
): Promise<Result<AttestedAccount, CallFault>> {
  const reviewed = await reviewToken(client, token, tokenAudience);
  if (!reviewed.ok) {
    return fail({ code: 'Unavailable', message: `the token cannot be reviewed now: ${reviewed.error.message}` });
  }
  const { value } = reviewed;
  if (value === undefined) {
    return refuse(
      `the API server does not take this token for the audience ${tokenAudience}: it expired or is not ours`,
    );
  }
  const { namespace, serviceAccount, pod, podUid, node, user } = value;
  if (serviceAccount === '') return refuse(`${user} is no service account`);
  const account = `${namespace}/${serviceAccount}`;
  if (pod === '' || podUid === '') return refuse(`the token of ${account} is bound to no pod; mount a projected token`);
  const facts = podOf(namespace, pod) ?? (await readPod(client, namespace, pod));
  if (facts === undefined) return refuse(`the pod ${namespace}/${pod} of the token of ${account} is not there`);
  if (facts.uid !== podUid) return refuse(`the pod ${namespace}/${pod} is another one than the token was made for`);
  if (facts.serviceAccount !== serviceAccount) {
    return refuse(`the pod ${namespace}/${pod} runs as ${facts.serviceAccount}, not as ${serviceAccount}`);
  }
  if (node !== '' && facts.node !== '' && node !== facts.node) {
    return refuse(`the pod ${namespace}/${pod} runs on ${facts.node}, and its token came from ${node}`);
  }
  if (facts.isOver) return refuse(`the pod ${namespace}/${pod} has ended`);
  return ok({ namespace, serviceAccount });
}

/** A pod may ask before our watch has heard of it. */
async function readPod(client: KubeClient, namespace: string, name: string): Promise<PodFacts | undefined> {
  const got = await client.get(`/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`);
  return got.ok ? podFacts(got.value as RawObject) : undefined;
}

function refuse(message: string): Result<never, CallFault> {
  return fail({ code: 'Unauthenticated', message });
}
