import { type Result, ok } from '@weft/kernel';
import type {
  CallFault,
  CountHoldersResponse,
  CountRequest,
  ListObjectsRequest,
  Nothing,
  PeerService,
  PeerWhyRequest,
  PeerWhyResponse,
  Reply,
  TellRequest,
  TellResponse,
  ViewServicesRequest,
  ViewServicesResponse,
} from '@weft/wire';
import type { AdminDesk } from '../admin-desk.ts';
import type { ObjectReport } from '../object-report.ts';
import type { ObservationRoom } from '../observation/observation-room.ts';
import type { PeerRoom } from './peer-room.ts';

export interface ReplicaDeskOptions {
  readonly room: PeerRoom;
  /** Of this replica alone: a question of another one goes no further. */
  readonly desk: AdminDesk;
  readonly observation: ObservationRoom;
  readonly objects: ObjectReport;
}

/** What another replica is answered. Who it is was judged before (`PeerRoom.admits`). */
export class ReplicaDesk implements PeerService {
  private readonly options: ReplicaDeskOptions;

  constructor(options: ReplicaDeskOptions) {
    this.options = options;
  }

  tell(request: TellRequest): Promise<Result<TellResponse, CallFault>> {
    return this.options.room.told(request);
  }

  count(request: CountRequest): Reply<Nothing> {
    return this.options.room.count(request);
  }

  async why({ replica, request, awaitMs }: PeerWhyRequest): Promise<Result<PeerWhyResponse, CallFault>> {
    const judged = this.options.room.judge(replica);
    if (!judged.ok) return judged;
    return ok(await this.options.observation.whyHere(request, awaitMs));
  }

  listProxies(): ReturnType<PeerService['listProxies']> {
    return this.options.desk.listProxies();
  }

  getConfig(...asked: Parameters<PeerService['getConfig']>): ReturnType<PeerService['getConfig']> {
    return this.options.desk.getConfig(...asked);
  }

  getVersions(...asked: Parameters<PeerService['getVersions']>): ReturnType<PeerService['getVersions']> {
    return this.options.desk.getVersions(...asked);
  }

  countHolders(request: ListObjectsRequest): Reply<CountHoldersResponse> {
    return ok({ objects: this.options.objects.holders(request) });
  }

  async viewServices({ calls }: ViewServicesRequest): Promise<Result<ViewServicesResponse, CallFault>> {
    return ok(await this.options.observation.viewServices(calls));
  }

  watchEvents(...asked: Parameters<PeerService['watchEvents']>): () => void {
    return this.options.desk.watchEvents(...asked);
  }

  tap(...asked: Parameters<PeerService['tap']>): ReturnType<PeerService['tap']> {
    return this.options.desk.tap(...asked);
  }
}
