import type { ReceivedResource } from '@weft/decision';
import type { DestinationKey, ResourceKey } from '@weft/model';
import type { Span } from '@weft/telemetry';
import type { Tap, Tapped } from '@weft/wire';
import type { LogFields } from '../log.ts';
import type { ServingSettings } from '../serving-thread.ts';
import type { DrainScope, InForce, ListenerPlan, ServingLoad } from '../serving.ts';

/** An identity as text: keys and certificates are objects of one thread. */
export interface IdentityText {
  readonly keyPem: string;
  readonly certificatesPem: string;
  readonly rootsPem: string;
  readonly trustDomain: string;
  readonly aliases: readonly string[];
  readonly keyAgreement: 'hybrid' | 'classical';
}

export interface OpenListener {
  readonly plan: ListenerPlan;
  readonly port: number;
}

/** All that a worker begins with: a new one, and one in place of one that died. */
export interface WorkerStart {
  readonly weftWorker: true;
  readonly settings: ServingSettings;
  readonly identity: IdentityText;
  readonly resources: ReadonlyMap<ResourceKey, ReceivedResource>;
  readonly listeners: readonly OpenListener[];
  /** Undefined when requests are not traced. */
  readonly sampledPerMillion: number | undefined;
}

/** Resources that differ from what the worker holds. */
export interface WorkerChanges {
  readonly upserted: readonly {
    readonly key: ResourceKey;
    readonly hash: string;
    readonly resource: ReceivedResource['resource'];
  }[];
  readonly removed: readonly ResourceKey[];
}

export type WorkerQuestion =
  | { readonly type: 'apply'; readonly changes: WorkerChanges }
  | { readonly type: 'listen'; readonly listener: OpenListener }
  | { readonly type: 'busy'; readonly scope: DrainScope }
  | { readonly type: 'destinations' }
  | { readonly type: 'metrics' }
  | { readonly type: 'edges' }
  | { readonly type: 'request'; readonly request: string };

export type ToWorker =
  | { readonly type: 'ask'; readonly id: number; readonly question: WorkerQuestion }
  | { readonly type: 'identity'; readonly identity: IdentityText }
  | { readonly type: 'missing'; readonly keys: readonly DestinationKey[] }
  | { readonly type: 'close'; readonly name: string }
  | { readonly type: 'leave'; readonly scope: DrainScope }
  | { readonly type: 'drain'; readonly scope: DrainScope }
  | { readonly type: 'close-idle'; readonly scope: DrainScope }
  | { readonly type: 'tap'; readonly tap: Tap }
  | { readonly type: 'close-taps' }
  /** The log lines sent last have been written, or not. */
  | { readonly type: 'written'; readonly fault: string }
  | { readonly type: 'stop' };

export type FromWorker =
  /** It listens wherever it was told to. */
  | { readonly type: 'up'; readonly inForce: InForce }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown; readonly inForce: InForce | null }
  | {
      readonly type: 'fault';
      readonly id: number;
      readonly code: string;
      readonly message: string;
      readonly port: number;
    }
  | { readonly type: 'demand'; readonly key: DestinationKey }
  | { readonly type: 'load'; readonly load: ServingLoad; readonly used: readonly DestinationKey[] }
  | { readonly type: 'spans'; readonly spans: readonly Span[] }
  | { readonly type: 'lines'; readonly text: string }
  | { readonly type: 'tapped'; readonly tapped: Tapped }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: LogFields | undefined;
    };
