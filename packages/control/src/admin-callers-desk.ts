import { type Result, type TimerWheel, fail, ok } from '@weft/kernel';
import type {
  AdminService,
  CallFault,
  CreateTokenRequest,
  GetConfigRequest,
  GetDashboardResponse,
  GetTrafficRequest,
  ListObjectsRequest,
  MeshEvent,
  Reply,
  CreateTokenResponse,
  TapEvent,
  TapRequest,
  WhyRequest,
} from '@weft/wire';

/** Subresources of `proxies` in weft.dev, which exist for roles only. */
export type AdminRight = 'status' | 'config' | 'tap';

export interface CallersDeskOptions {
  readonly service: AdminService;
  readonly wheel: TimerWheel;
  readonly dashboard: (mayTap: boolean) => GetDashboardResponse | undefined;
  /** Whether this caller may still, or also, do something. */
  readonly allows: (right: AdminRight) => Promise<Result<true, CallFault>>;
}

/** A stream goes on only as long as its caller may have it. */
const AGAIN_MS = 60_000;

/** The desk as one caller of a guarded port may use it: who was admitted to a call is judged again while it lasts. */
export class CallersDesk implements AdminService {
  private readonly options: CallersDeskOptions;

  constructor(options: CallersDeskOptions) {
    this.options = options;
  }

  getServer(): ReturnType<AdminService['getServer']> {
    return this.options.service.getServer();
  }

  listProxies(): ReturnType<AdminService['listProxies']> {
    return this.options.service.listProxies();
  }

  getConfig(request: GetConfigRequest): ReturnType<AdminService['getConfig']> {
    return this.options.service.getConfig(request);
  }

  getVersions(request: { readonly proxy: string }): ReturnType<AdminService['getVersions']> {
    return this.options.service.getVersions(request);
  }

  listObjects(request: ListObjectsRequest): ReturnType<AdminService['listObjects']> {
    return this.options.service.listObjects(request);
  }

  createToken(_request: CreateTokenRequest): Reply<CreateTokenResponse> {
    return fail({ code: 'PermissionDenied', message: 'join tokens are not made over this port' });
  }

  why(request: WhyRequest): ReturnType<AdminService['why']> {
    return this.options.service.why(request);
  }

  getTraffic(request: GetTrafficRequest): ReturnType<AdminService['getTraffic']> {
    return this.options.service.getTraffic(request);
  }

  /** Pages show configuration too; live requests only to whom the caller is. */
  async getDashboard(): Promise<Result<GetDashboardResponse, CallFault>> {
    const { allows, dashboard } = this.options;
    const config = await allows('config');
    if (!config.ok) return config;
    const given = dashboard((await allows('tap')).ok);
    return given === undefined
      ? fail({ code: 'FailedPrecondition', message: 'this control plane serves no dashboard; see --dashboard-port' })
      : ok(given);
  }

  watchEvents(noFollow: boolean, emit: (event: MeshEvent) => void, ended: () => void): () => void {
    const stop = this.options.service.watchEvents(noFollow, emit, ended);
    return this.whileAllowed('status', stop, ended);
  }

  tap(
    request: TapRequest,
    emit: (event: TapEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): Result<() => void, CallFault> {
    const tapped = this.options.service.tap(request, emit, ended);
    if (!tapped.ok) return tapped;
    return ok(this.whileAllowed('tap', tapped.value, ended));
  }

  /** `refused` is called once when the right is gone; an API server that is away takes it from nobody. */
  private whileAllowed(right: AdminRight, stop: () => void, refused: (fault: CallFault) => void): () => void {
    const { wheel, allows } = this.options;
    let open = true;
    const end = (): void => {
      if (!open) return;
      open = false;
      timer.cancel();
      stop();
    };
    const judge = async (): Promise<void> => {
      const allowed = await allows(right);
      if (!open) return;
      if (allowed.ok || allowed.error.code === 'Unavailable') timer.reschedule(AGAIN_MS);
      else {
        end();
        refused(allowed.error);
      }
    };
    const timer = wheel.schedule(AGAIN_MS, () => void judge());
    return end;
  }
}
