/** The messages of proto/weft/v1/peers.proto: instances as replicas of a control plane tell each other of them. */
import type { InstancePort, WorkloadInstance } from '@weft/model';
import { choice, flag, integer, text, texts } from './message/field.ts';
import { type Message, list, message } from './message/message.ts';
import { type Label, MAX_RESOURCES, labelMessage } from './sync-message.ts';

/** What one replica says to another. Labels and ports in words of the wire: `writeTold` and `readTold` lead there and back. */
export interface TellRequest {
  readonly replica: string;
  readonly whole: boolean;
  readonly instances: readonly ToldInstance[];
  readonly removed: readonly string[];
  readonly awaitMs: number;
  readonly asks: boolean;
}

export interface TellResponse {
  readonly subscribers: number;
  readonly acknowledged: number;
  readonly instances: readonly ToldInstance[];
}

export interface ToldInstance extends Omit<WorkloadInstance, 'labels' | 'ports'> {
  readonly labels: readonly Label[];
  readonly ports: readonly ToldPort[];
}

export interface ToldPort extends Omit<InstancePort, 'learned'> {
  readonly learned: 'Nothing' | 'Http1' | 'Tcp';
}

const KEY_BYTES = 768;
const UINT32 = 0xffffffff;

const toldPort = message<ToldPort>('InstancePort', {
  name: text(1, 64),
  applicationPort: integer(2, 'uint32', 1, 65_535),
  meshPort: integer(3, 'uint32', 1, 65_535),
  learned: choice<ToldPort['learned']>(4, 'LearnedProtocol', ['Nothing', 'Http1', 'Tcp']),
});

const toldInstance = message<ToldInstance>('Instance', {
  workload: text(1, KEY_BYTES, true),
  namespace: text(2, 253, true),
  serviceAccount: text(3, 253, true),
  labels: list(4, labelMessage, 256),
  zone: text(5, 253),
  weight: integer(6, 'uint32', 0, 1_000_000),
  ports: list(7, toldPort, 4096),
  address: text(8, 253, true),
  identity: text(9, 2048, true),
  draining: flag(10),
});

export const tellRequest: Message<TellRequest> = message<TellRequest>('TellRequest', {
  replica: text(1, 253, true),
  whole: flag(2),
  instances: list(3, toldInstance, MAX_RESOURCES),
  removed: texts(4, KEY_BYTES, MAX_RESOURCES),
  awaitMs: integer(5, 'uint32', 0, 60_000),
  asks: flag(6),
});

export const tellResponse: Message<TellResponse> = message<TellResponse>('TellResponse', {
  subscribers: integer(1, 'uint32', 0, UINT32),
  acknowledged: integer(2, 'uint32', 0, UINT32),
  instances: list(3, toldInstance, MAX_RESOURCES),
});

export function writeTold({ labels, ports, ...rest }: WorkloadInstance): ToldInstance {
  return {
    ...rest,
    labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
    ports: ports.map((port) => ({ ...port, learned: port.learned ?? 'Nothing' })),
  };
}

export function readTold({ labels, ports, ...rest }: ToldInstance): WorkloadInstance {
  return {
    ...rest,
    labels: Object.fromEntries(labels.map(({ name, value }) => [name, value])),
    ports: ports.map(({ learned, ...port }) => (learned === 'Nothing' ? port : { ...port, learned })),
  };
}
