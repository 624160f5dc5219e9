/** Why the API server did not do what it was asked. */
export type KubeFaultCode =
  | 'unreachable'
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'gone'
  | 'invalid'
  | 'throttled'
  | 'failed';

export interface KubeFault {
  readonly code: KubeFaultCode;
  /** 0 when there was no answer. */
  readonly status: number;
  /** One line for a person. */
  readonly message: string;
  /** Fields at fault, as the server names them. */
  readonly causes: readonly { readonly field: string; readonly message: string }[];
  /** What the server asked to wait; 0 when it did not say. */
  readonly retryAfterMs: number;
}

/** Reads a `Status` object, or whatever came in its place. */
export function readFault(status: number, body: unknown, retryAfter: string): KubeFault {
  const said = fieldsOf(body);
  const details = fieldsOf(said['details']);
  const causes = (Array.isArray(details['causes']) ? details['causes'] : []).map((cause) => {
    const { field, message } = fieldsOf(cause);
    return { field: textOf(field), message: textOf(message) };
  });
  const code = codeOf(status, textOf(said['reason']));
  const seconds = Number(retryAfter === '' ? details['retryAfterSeconds'] : retryAfter);
  return {
    code,
    status,
    message: textOf(said['message']) || `the API server answered ${status}`,
    causes,
    retryAfterMs: Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) * 1000 : 0,
  };
}

export function unreachable(error: unknown): KubeFault {
  const { message, code } = error as NodeJS.ErrnoException;
  const said = code ?? (message === '' ? String(error) : message);
  return {
    code: 'unreachable',
    status: 0,
    message: `the API server cannot be reached: ${said}`,
    causes: [],
    retryAfterMs: 0,
  };
}

/** Whether another try of the same may succeed without anybody doing anything. */
export function isPassing(fault: KubeFault): boolean {
  return fault.code === 'unreachable' || fault.code === 'throttled' || fault.code === 'failed';
}

function codeOf(status: number, reason: string): KubeFaultCode {
  // An expired resourceVersion comes as 410 of a list, and as 410 in an ERROR event of a watch.
  if (status === 410 || reason === 'Expired' || reason === 'Gone') return 'gone';
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 409) return 'conflict';
  if (status === 429) return 'throttled';
  return status === 400 || status === 422 ? 'invalid' : 'failed';
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
