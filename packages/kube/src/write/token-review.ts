import { type Result, ok } from '@weft/kernel';
import type { KubeClient } from '../client/kube-client.ts';
import type { KubeFault } from '../client/kube-fault.ts';

/** Whom the API server takes the bearer of a token for. */
export interface ReviewedToken {
  readonly user: string;
  readonly groups: readonly string[];
  readonly uid: string;
  /** What else authorizers may look at. */
  readonly extra: Readonly<Record<string, readonly string[]>>;
  /** Of a service account; empty for any other user. */
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The pod the token is bound to; empty for none. */
  readonly pod: string;
  readonly podUid: string;
  readonly node: string;
}

const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/** Undefined when the token is not good for this audience: forged, expired, revoked, or made for somebody else. */
export async function reviewToken(
  client: KubeClient,
  token: string,
  audience: string,
): Promise<Result<ReviewedToken | undefined, KubeFault>> {
  const reviewed = await client.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: {},
      spec: { token, ...(audience === '' ? {} : { audiences: [audience] }) },
    },
  });
  if (!reviewed.ok) return reviewed;
  const { status } = reviewed.value as { readonly status?: ReviewStatus };
  if (status?.authenticated !== true) return ok(undefined);
  // A server that knows nothing of audiences leaves them out: then the token is good for whatever it was made for.
  if (audience !== '' && status.audiences?.includes(audience) !== true) return ok(undefined);
  const user = status.user?.username ?? '';
  const [, namespace = '', serviceAccount = ''] = ACCOUNT.exec(user) ?? [];
  const extra = (name: string): string => status.user?.extra?.[`authentication.kubernetes.io/${name}`]?.[0] ?? '';
  return ok({
    user,
    groups: status.user?.groups ?? [],
    uid: status.user?.uid ?? '',
    extra: status.user?.extra ?? {},
    namespace,
    serviceAccount,
    pod: extra('pod-name'),
    podUid: extra('pod-uid'),
    node: extra('node-name'),
  });
}

interface ReviewStatus {
  readonly authenticated?: boolean;
  readonly audiences?: readonly string[];
  readonly user?: {
    readonly username?: string;
    readonly uid?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

/** What somebody wants to do to a resource of `weft.dev`. */
export interface AccessQuestion {
  readonly verb: string;
  /** `proxies`. */
  readonly resource: string;
  /** `status`, `config`, `tap`. */
  readonly subresource: string;
  readonly namespace: string;
}

/** Whether a user may do it, by the roles of the cluster. */
export async function reviewAccess(
  client: KubeClient,
  { user, groups, uid, extra }: Pick<ReviewedToken, 'user' | 'groups' | 'uid' | 'extra'>,
  { verb, resource, subresource, namespace }: AccessQuestion,
): Promise<Result<boolean, KubeFault>> {
  const reviewed = await client.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user,
        groups,
        ...(uid === '' ? {} : { uid }),
        extra,
        resourceAttributes: { group: 'weft.dev', verb, resource, subresource, namespace },
      },
    },
  });
  if (!reviewed.ok) return reviewed;
  const { status } = reviewed.value as { readonly status?: { readonly allowed?: boolean } };
  return ok(status?.allowed === true);
}
