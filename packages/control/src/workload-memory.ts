/**
 * What of the registry outlives the process. A control plane that comes back must not tell the first sidecar to reconnect
 * that all services are empty because their own sidecars have not reconnected yet; and who was admitted to a service by a
 * token, which is spent, stays admitted.
 */
import { join } from 'node:path';
import { readSealedFile, writeSealedFile } from '@weft/identity';
import { type Timer, type TimerWheel, assert } from '@weft/kernel';
import type { WorkloadInstance } from '@weft/model';
import type { Log } from './log.ts';
import type { ServiceGrants } from './workload-admission.ts';

const LARGEST_BYTES = 64 * 1024 * 1024;
/** A burst of registrations is written once; what is lost of it by a kill registers itself again. */
const WRITE_DELAY_MS = 250;
const FORMAT = 1;

interface Stored {
  readonly format: number;
  readonly instances: readonly WorkloadInstance[];
  readonly grants: readonly string[];
}

export class WorkloadMemory implements ServiceGrants {
  private readonly path: string;
  private readonly log: Log;
  private readonly timer: Timer;
  private readonly grants: Set<string>;
  private readonly instances: Map<string, WorkloadInstance>;
  private isFaulty: boolean;

  /** `folder` is the sealed state folder; what can't be read there is said and forgotten. */
  constructor(folder: string, wheel: TimerWheel, log: Log) {
    this.path = join(folder, 'workloads.json');
    this.log = log;
    this.timer = wheel.create(() => this.write());
    this.grants = new Set();
    this.instances = new Map();
    this.isFaulty = false;
    const read = readSealedFile(this.path, LARGEST_BYTES);
    if (!read.ok) {
      if (read.error.reason !== 'absent') log.warn(`known workloads are forgotten: ${read.error.message}`);
      return;
    }
    const stored = readStored(read.value.toString('utf8'));
    if (stored === undefined) {
      log.warn(`known workloads are forgotten: ${this.path} is damaged`);
      return;
    }
    for (const grant of stored.grants) this.grants.add(grant);
    for (const instance of stored.instances) this.instances.set(instance.workload, instance);
  }

  /** Those that were registered when the last process ended. */
  get remembered(): ReadonlyMap<string, WorkloadInstance> {
    return this.instances;
  }

  has(namespace: string, serviceAccount: string, service: string): boolean {
    return this.grants.has(grantOf(namespace, serviceAccount, service));
  }

  /** From now on the account may stand for the service. */
  grant(namespace: string, serviceAccount: string, service: string): void {
    const grant = grantOf(namespace, serviceAccount, service);
    if (this.grants.has(grant)) return;
    this.grants.add(grant);
    this.write();
  }

  remember(instance: WorkloadInstance): void {
    this.instances.set(instance.workload, instance);
    this.later();
  }

  forget(workload: string): void {
    if (this.instances.delete(workload)) this.later();
  }

  /** Writes what waits. */
  stop(): void {
    if (this.timer.armed) this.write();
    this.timer.cancel();
  }

  private later(): void {
    if (!this.timer.armed) this.timer.reschedule(WRITE_DELAY_MS);
  }

  private write(): void {
    this.timer.cancel();
    const stored: Stored = { format: FORMAT, instances: [...this.instances.values()], grants: [...this.grants] };
    const written = writeSealedFile(this.path, JSON.stringify(stored));
    if (!written.ok && !this.isFaulty) {
      this.log.error(`known workloads are not stored, a restart would forget them: ${written.error.message}`);
    }
    this.isFaulty = !written.ok;
  }
}

function grantOf(namespace: string, serviceAccount: string, service: string): string {
  return `${namespace}/${serviceAccount}/${service}`;
}

/** Our own file, sealed: what is checked is that it is whole, not that it is friendly. */
function readStored(text: string): Stored | undefined {
  try {
    const stored = JSON.parse(text) as Stored;
    assert(stored.format === FORMAT, 'a known format');
    assert(Array.isArray(stored.instances) && Array.isArray(stored.grants), 'lists');
    for (const { workload, address, ports } of stored.instances)
      assert(typeof workload === 'string' && typeof address === 'string' && Array.isArray(ports), 'an instance');
    return stored;
  } catch {
    return undefined;
  }
}
