import type { InjectionSettings } from '@weft/injection';
import type { Clock, TimerWheel } from '@weft/kernel';
import type { KubeClient } from '@weft/kube';
import type { Registry } from 'prom-client';
import type { InjectionNote, PodSecurity } from '../admission/admission-desk.ts';
import { AdmissionServer } from '../admission/admission-server.ts';
import { WebhookIdentity } from '../admission/webhook-identity.ts';
import type { Log } from '../log.ts';
import { tokenAudience } from './account-attestor.ts';
import { WebhookSecret } from './webhook-store.ts';

/** What the installation says of the webhooks; what the mesh says is added as it is known. */
export interface WebhookOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** As the API server calls the webhooks: `weft-control.weft-system.svc`. */
  readonly dnsNames: readonly string[];
  /** `host:port` of the control plane, as pods reach it. */
  readonly controlAddress: string;
  readonly injection: Omit<InjectionSettings, 'controlAddress' | 'trustDomain' | 'rootsPem' | 'tokenAudience'>;
}

export interface WebhookRoomOptions extends WebhookOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly registry: Registry;
  /** The mesh as it is now. */
  readonly mesh: () => { readonly trustDomain: string; readonly rootsPem: string };
  readonly note: InjectionNote;
  readonly podSecurity: PodSecurity;
}

/** The webhooks of a cluster: a server, its certificate, and the configurations that the API server reads. */
export class WebhookRoom {
  readonly port: number;
  private readonly server: AdmissionServer;
  private readonly identity: WebhookIdentity;

  private constructor(server: AdmissionServer, identity: WebhookIdentity, port: number) {
    this.server = server;
    this.identity = identity;
    this.port = port;
  }

  /** Rejects when the port is taken or there is no certificate to be had. */
  static async open(options: WebhookRoomOptions): Promise<WebhookRoom> {
    const { host, port, clock, wheel, log, registry, client, namespace, dnsNames, mesh, note, podSecurity } = options;
    const { injection, controlAddress } = options;
    const settings = (): InjectionSettings => ({ ...injection, controlAddress, tokenAudience, ...mesh() });
    const server = new AdmissionServer({ host, port, clock, log, registry, settings, note, podSecurity });
    const store = new WebhookSecret(client, namespace);
    const identity = new WebhookIdentity({
      clock,
      wheel,
      log,
      store,
      dnsNames,
      serve: (certificate) => server.serve(certificate),
    });
    try {
      await identity.start();
      return new WebhookRoom(server, identity, await server.listen());
    } catch (error) {
      identity.stop();
      await server.close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.identity.stop();
    await this.server.close();
  }
}
