import { type Result, fail, ok } from '@weft/kernel';
import type { AdminService, CallFault, TapEvent, TapRequest } from '@weft/wire';
import type { PeerRoom } from './peer-room.ts';

/**
 * One tap of the proxies here and of those of all other replicas. That nothing fits here is no fault while something fits
 * elsewhere; a replica that cannot be tapped is told of in an event of its own, and the others go on.
 */
export function joinTaps(
  desk: Pick<AdminService, 'tap'>,
  peers: Pick<PeerRoom, 'follow'>,
  request: TapRequest,
  emit: (event: TapEvent) => void,
  ended: (fault: CallFault | null) => void,
): Result<() => void, CallFault> {
  const tap = new JoinedTap(emit, ended);
  const here = desk.tap(request, emit, (fault) => tap.over('', fault));
  if (!here.ok && here.error.code !== 'NotFound') return here;
  if (here.ok) tap.stops.push(here.value);
  else tap.over('', here.error);
  const stop = peers.follow(
    (client, replica) => {
      tap.begun();
      return client.tap(request, emit, (fault) => tap.over(replica, fault));
    },
    (replica, fault) => tap.unreached(replica, fault),
  );
  tap.stops.push(stop);
  // Where the others have yet to say whether anything fits, they are waited for.
  const verdict = tap.settle();
  return verdict ?? ok(() => tap.stop());
}

class JoinedTap {
  readonly stops: (() => void)[];
  private readonly emit: (event: TapEvent) => void;
  private readonly ended: (fault: CallFault | null) => void;
  private readonly faults: { readonly replica: string; readonly fault: CallFault }[];
  private open: number;
  private hasEndedWell: boolean;
  private isSettled: boolean;
  private isStopped: boolean;

  constructor(emit: (event: TapEvent) => void, ended: (fault: CallFault | null) => void) {
    this.stops = [];
    this.emit = emit;
    this.ended = ended;
    this.faults = [];
    // This replica's own.
    this.open = 1;
    this.hasEndedWell = false;
    this.isSettled = false;
    this.isStopped = false;
  }

  /** Another replica is tapped too. */
  begun(): void {
    this.open += 1;
  }

  /** One that was begun says no more; `replica` empty: this one. */
  over(replica: string, fault: CallFault | null): void {
    if (this.isStopped) return;
    if (fault === null) this.hasEndedWell = true;
    else this.note(replica, fault);
    this.open -= 1;
    if (this.open > 0 || !this.isSettled) return;
    this.isStopped = true;
    this.ended(this.verdict());
  }

  /** One that could not be begun. */
  unreached(replica: string, fault: CallFault): void {
    this.note(replica, fault);
  }

  /** All have been begun; a fault when nobody is left already. */
  settle(): Result<never, CallFault> | undefined {
    this.isSettled = true;
    if (this.open > 0) return undefined;
    this.isStopped = true;
    return fail(this.verdict() ?? { code: 'Unavailable', message: 'the tap has ended' });
  }

  stop(): void {
    this.isStopped = true;
    for (const stop of this.stops) stop();
  }

  private note(replica: string, fault: CallFault): void {
    this.faults.push({ replica, fault });
    if (replica === '' || fault.code === 'NotFound') return;
    this.emit({ proxy: '', requests: [], dropped: 0, replicas: [{ replica, silent: fault.message }] });
  }

  private verdict(): CallFault | null {
    if (this.hasEndedWell) return null;
    const grave = this.faults.find(({ fault }) => fault.code !== 'NotFound');
    if (grave !== undefined) {
      const { replica, fault } = grave;
      if (replica === '') return fault;
      const message = `nothing fits at the replicas that answered, and replica ${replica} of the control plane did not: ${fault.message}; try again`;
      return { code: 'FailedPrecondition', message };
    }
    const [first, ...others] = this.faults;
    if (first === undefined) return null;
    const rest = others.map(({ replica, fault }) => `; replica ${replica}: ${fault.message}`).join('');
    return { code: first.fault.code, message: `${first.fault.message}${rest}` };
  }
}
