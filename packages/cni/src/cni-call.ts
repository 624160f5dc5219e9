import { type Result, fail, ok } from '@weft/kernel';

/** What a container runtime wants of a plugin. */
export interface CniCall {
  readonly command: 'ADD' | 'CHECK';
  readonly container: string;
  /** Path of the network namespace. */
  readonly namespacePath: string;
  readonly interfaceName: string;
  /** Null for what is no pod. */
  readonly pod: PodName | null;
  readonly cniVersion: string;
  /** What the plugins before ours made, which is handed on as it is; undefined when they made nothing. */
  readonly previous: unknown;
}

export interface PodName {
  readonly namespace: string;
  readonly name: string;
  /** Empty where the runtime does not say it. */
  readonly uid: string;
}

export interface CniAnswer {
  /** Exit code of the plugin. */
  readonly exit: 0 | 1;
  /** What it prints. */
  readonly text: string;
  /** What it writes into the network of the pod first, for nft; empty: nothing. */
  readonly rules: string;
}

/** Codes of the specification, those that ours gives. */
export const cniCodes = {
  badEnvironment: 4,
  undecodable: 6,
  badConfiguration: 7,
  later: 11,
} as const;

/** Reads what the plugin laid down: a line for each variable, and the configuration. The error is an answer. */
export function readCniCall(lines: string, configuration: string): Result<CniCall, CniAnswer> {
  const [command = '', container = '', namespacePath = '', interfaceName = '', args = ''] = lines.split('\n');
  if (command !== 'ADD' && command !== 'CHECK') {
    return fail(cniFailure('', cniCodes.badEnvironment, `CNI_COMMAND "${command.slice(0, 40)}" is not known`));
  }
  let read: unknown;
  try {
    read = JSON.parse(configuration);
  } catch {
    return fail(cniFailure('', cniCodes.undecodable, 'the configuration is no JSON'));
  }
  const map = (typeof read === 'object' && read !== null ? read : {}) as Readonly<Record<string, unknown>>;
  const cniVersion = typeof map['cniVersion'] === 'string' ? map['cniVersion'] : '';
  if (namespacePath === '') {
    return fail(cniFailure(cniVersion, cniCodes.badEnvironment, 'CNI_NETNS is empty'));
  }
  const previous = map['prevResult'];
  if (previous === undefined && command === 'ADD') {
    const message = 'the configuration holds no prevResult: weft-cni comes after the plugin that makes the network';
    return fail(cniFailure(cniVersion, cniCodes.badConfiguration, message));
  }
  return ok({ command, container, namespacePath, interfaceName, pod: podName(args), cniVersion, previous });
}

/** What was there before us is the result; CHECK has none. */
export function cniSuccess({ command, previous }: CniCall, rules: string): CniAnswer {
  return { exit: 0, text: command === 'ADD' ? `${JSON.stringify(previous)}\n` : '', rules };
}

/** `message` is shown to people in an event of the pod. */
export function cniFailure(cniVersion: string, code: number, message: string): CniAnswer {
  return { exit: 1, text: `${JSON.stringify({ cniVersion: cniVersion || '1.0.0', code, msg: message })}\n`, rules: '' };
}

/** `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-1`, as kubelets' runtimes say it. */
function podName(args: string): PodName | null {
  const words = new Map(
    args.split(';').map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
  const word = (key: string): string => words.get(key) ?? '';
  const [namespace, name] = [word('K8S_POD_NAMESPACE'), word('K8S_POD_NAME')];
  return isName(namespace) && isName(name) ? { namespace, name, uid: word('K8S_POD_UID') } : null;
}

/** It becomes part of a path. */
function isName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(text);
}
