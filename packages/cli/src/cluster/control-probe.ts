import type { ControlAdmin } from '../control-admin.ts';

export interface Probed {
  /** Why it does not answer; empty: it does. */
  readonly silence: string;
  /** It is older than this program and knows only its own proxies. */
  readonly isAlone: boolean;
}

/** Needs no other replica and names them: the traffic of a second, of a service that there is not. */
const LITTLE = { windowMs: 1_000, service: '-/-' };

/**
 * Whether a control plane is there, before a command that may print half of its answer relies on it. Where there is no other one
 * to turn to, the command itself will see.
 */
export async function probeControl(admin: Pick<ControlAdmin, 'getTraffic'>, replicas: number): Promise<Probed> {
  if (replicas < 2) return { silence: '', isAlone: false };
  const asked = await admin.getTraffic(LITTLE);
  if (asked.ok) return { silence: '', isAlone: asked.value.replicas.length === 0 };
  const { code, message } = asked.error;
  const isAway = code === 'Unavailable' || code === 'DeadlineExceeded';
  return { silence: isAway ? message : '', isAlone: false };
}
