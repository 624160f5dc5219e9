/** Where people and tools reach a control plane: the admin socket, its guarded port, the dashboard, and health with metrics. */
import type { Clock, TimerWheel } from '@weft/kernel';
import type { KubeClient } from '@weft/kube';
import type { Model } from '@weft/model';
import { AdminServer, type GetDashboardResponse } from '@weft/wire';
import type { Registry } from 'prom-client';
import { AdminAccess } from './admin-access.ts';
import type { ClosingOrder } from './closing-order.ts';
import { type ControlOptions, ControlStartError, type DashboardOptions } from './control-options.ts';
import { DashboardServer } from './dashboard-server/dashboard-server.ts';
import { DashboardToken } from './dashboard-server/dashboard-token.ts';
import { HealthServer } from './health-server.ts';
import { listenAddress } from './listen-address.ts';
import { listenError } from './listen-error.ts';
import type { Log } from './log.ts';
import type { ObservationRoom } from './observation/observation-room.ts';
import type { MeshDesk } from './peers/mesh-desk.ts';

export interface PeoplePortsOptions {
  readonly asked: Pick<
    ControlOptions,
    'adminSocket' | 'adminPort' | 'dashboard' | 'metricsPort' | 'metricsHost' | 'stateFolder'
  >;
  readonly desk: MeshDesk;
  readonly observation: ObservationRoom;
  readonly model: Model;
  readonly metrics: Registry;
  /** Why it is not ready; empty: it is. */
  readonly unready: () => string;
  /** The API server that knows who callers of the guarded port are; null outside of a cluster. */
  readonly client: KubeClient | null;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
}

interface ServedDashboard {
  readonly address: string;
  readonly token: DashboardToken;
}

const LOOPBACK = '127.0.0.1';

export class PeoplePorts {
  /** 0 where none was asked for. */
  adminPort: number;
  metricsPort: number;
  private readonly options: PeoplePortsOptions;
  private served: ServedDashboard | null;

  constructor(options: PeoplePortsOptions) {
    this.options = options;
    this.adminPort = 0;
    this.metricsPort = 0;
    this.served = null;
  }

  /** With what lets one in; undefined where none is served. */
  get dashboard(): GetDashboardResponse | undefined {
    return this.served === null ? undefined : { address: this.served.address, token: this.served.token.text };
  }

  /** Opens all that are asked for. Throws a `ControlStartError`. */
  async open(closers: ClosingOrder): Promise<void> {
    const { asked, client } = this.options;
    await this.openSocket(asked.adminSocket, closers);
    if (asked.adminPort !== undefined && client !== null) await this.openGuarded(asked.adminPort, client, closers);
    if (asked.dashboard !== undefined) await this.openDashboard(asked.dashboard, closers);
    if (asked.metricsPort !== undefined) await this.openHealth(asked.metricsPort, closers);
  }

  private async openSocket(path: string, closers: ClosingOrder): Promise<void> {
    const admin = new AdminServer(this.options.desk);
    const bound = await admin.listen(path);
    if (!bound.ok) throw new ControlStartError(`the admin socket cannot be opened: ${bound.error}`);
    closers.add(() => admin.close());
  }

  private async openGuarded(port: number, client: KubeClient, closers: ClosingOrder): Promise<void> {
    const { desk, clock, wheel } = this.options;
    const dashboard = (mayTap: boolean): GetDashboardResponse | undefined =>
      this.served === null
        ? undefined
        : { address: this.served.address, token: this.served.token.grant(mayTap ? 'all' : 'calm') };
    const guarded = new AdminServer(new AdminAccess({ service: desk, client, clock, wheel, dashboard }));
    this.adminPort = await guarded.listenPort(port, LOOPBACK).catch((error: unknown) => {
      throw listenError(error, LOOPBACK, port, '--admin-port');
    });
    closers.add(() => guarded.close());
  }

  private async openDashboard(
    { host = LOOPBACK, port, folder }: DashboardOptions,
    closers: ClosingOrder,
  ): Promise<void> {
    const { asked, desk, observation, model, clock, wheel, log } = this.options;
    const opened = DashboardToken.open(asked.stateFolder, clock);
    if (!opened.ok) throw new ControlStartError(opened.error);
    const token = opened.value;
    const pages = new DashboardServer({ desk, observation, model, clock, wheel, token, folder });
    const taken = await pages.listen(port, host).catch((error: unknown) => {
      // A mesh is not kept from running by who looks at it.
      log.warn(`there is no dashboard: ${listenError(error, host, port, '--dashboard-port').message}`);
      return 0;
    });
    if (taken === 0) return;
    closers.add(() => pages.close());
    this.served = { address: `http://${listenAddress(host, taken)}`, token };
  }

  private async openHealth(port: number, closers: ClosingOrder): Promise<void> {
    const { asked, metrics, unready } = this.options;
    const health = new HealthServer(metrics, unready);
    const host = asked.metricsHost ?? LOOPBACK;
    this.metricsPort = await health.listen(port, host).catch((error: unknown) => {
      throw listenError(error, host, port, '--metrics-port');
    });
    closers.add(() => health.close());
  }
}
