/** Credential programs of kubeconfigs (client.authentication.k8s.io): run here, as kubectl would run them. */
import { spawnSync } from 'node:child_process';
import type { Clock } from '@weft/kernel';
import { type Fields, fieldsOf, listOf, textOf } from './loose-fields.ts';

/** What a credential program said. */
export interface ExecCredential {
  readonly token: string;
  readonly certificate: string;
  readonly key: string;
  readonly expiresAtMs: number;
}

export interface CredentialProgramOptions {
  /** The `exec` of a user. */
  readonly exec: Fields;
  /** The command, with its folder where it is relative to the file. */
  readonly path: string;
  /** What a program that asks for it (`provideClusterInfo`) is told of the cluster. */
  readonly cluster: Fields;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PROGRAM_MS = 60_000;
const MOST_PROGRAM_BYTES = 1024 * 1024;
/** A credential is fetched again when so little of its life is left. */
const EARLY_MS = 30_000;

/** Gives the program's credential, and runs it when there is none or the last one is about to end. Throws one line for a person. */
export function credentialProgram(options: CredentialProgramOptions): () => ExecCredential {
  const { exec, path, cluster, clock, env } = options;
  const command = textOf(exec['command']);
  const args = listOf(exec['args']).map(String);
  const more = listOf(exec['env']).map(fieldsOf);
  const version = textOf(exec['apiVersion']) || 'client.authentication.k8s.io/v1';
  const hasTerminal = process.stdin.isTTY === true;
  const interactive = exec['interactiveMode'] !== 'Never' && hasTerminal;
  const spec = { interactive, ...(exec['provideClusterInfo'] === true ? { cluster } : {}) };
  let held: ExecCredential | undefined;
  return () => {
    if (held !== undefined && clock.wallMs() < held.expiresAtMs - EARLY_MS) return held;
    if (exec['interactiveMode'] === 'Always' && !hasTerminal) {
      throw new Error(
        `the credential program ${command} asks questions (interactiveMode: Always), and this is no terminal`,
      );
    }
    const ran = spawnSync(path, args, {
      env: {
        ...env,
        ...Object.fromEntries(more.map((each) => [textOf(each['name']), textOf(each['value'])])),
        KUBERNETES_EXEC_INFO: JSON.stringify({ apiVersion: version, kind: 'ExecCredential', spec }),
      },
      stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      timeout: PROGRAM_MS,
      maxBuffer: MOST_PROGRAM_BYTES,
    });
    if (ran.error !== undefined) {
      const hint = textOf(exec['installHint']).split('\n')[0] ?? '';
      throw new Error(`the credential program ${command}: ${ran.error.message}${hint === '' ? '' : `; ${hint}`}`);
    }
    if (ran.status !== 0) throw new Error(`the credential program ${command} ended with ${ran.status ?? ran.signal}`);
    held = readCredential(ran.stdout, command);
    return held;
  };
}

function readCredential(text: string, command: string): ExecCredential {
  let status: Fields;
  try {
    status = fieldsOf(fieldsOf(JSON.parse(text))['status']);
  } catch {
    throw new Error(`the credential program ${command} wrote no JSON`);
  }
  const token = textOf(status['token']);
  const certificate = textOf(status['clientCertificateData']);
  const key = textOf(status['clientKeyData']);
  if (token === '' && (certificate === '' || key === '')) {
    throw new Error(`the credential program ${command} gave neither a token nor a certificate`);
  }
  const end = Date.parse(textOf(status['expirationTimestamp']));
  return { token, certificate, key, expiresAtMs: Number.isNaN(end) ? Number.POSITIVE_INFINITY : end };
}
