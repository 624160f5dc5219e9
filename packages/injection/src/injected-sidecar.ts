import { type PortRange, joinPortRanges, readPortRanges } from '@weft/kernel';
import { sidecarContainer } from './injection-verdict.ts';
import { sidecarPorts } from './injection-settings.ts';
import { mapOf, mapsOf, textOf } from './json-map.ts';

/** What can be seen of the sidecar of a running pod, without asking it. */
export interface InjectedSidecar {
  /** All that arrives at the pod comes through it, but for `bare`. False for an explicit proxy (`capture: None`). */
  readonly isCaptured: boolean;
  /** Ports that the application declares. */
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  /** Ports that are not led through it. */
  readonly bare: readonly PortRange[];
  /** It ended and was not started again yet: nothing arrives. */
  readonly isDown: boolean;
  /** How often Kubernetes started it anew. */
  readonly restarts: number;
}

const onlyMetrics: readonly PortRange[] = [{ from: sidecarPorts.metrics, to: sidecarPorts.metrics }];

/** Reads a pod as the API server has it; undefined when there is no sidecar of ours in it. The opposite of `injectPod`. */
export function readInjectedSidecar(pod: object): InjectedSidecar | undefined {
  const { metadata, spec, status } = mapOf(pod);
  const container = mapsOf(mapOf(spec)['initContainers']).find(({ name }) => name === sidecarContainer);
  if (container === undefined) return undefined;
  const variable = (wanted: string): string =>
    textOf(mapsOf(container['env']).find(({ name }) => name === wanted)?.['value']);
  const seen = mapsOf(mapOf(status)['initContainerStatuses']).find(({ name }) => name === sidecarContainer);
  const state = mapOf(seen?.['state']);
  const ended = state['terminated'] ?? (state['waiting'] && mapOf(seen?.['lastState'])['terminated']);
  const restarts = seen?.['restartCount'];
  return {
    isCaptured: variable('WEFT_CAPTURE') === 'redirect',
    ports: portsOf(variable('WEFT_PORTS')),
    bare: barePorts(textOf(mapOf(mapOf(metadata)['annotations'])['config.weft.dev/exclude-inbound-ports'])),
    isDown: ended !== undefined && ended !== null,
    restarts: typeof restarts === 'number' ? restarts : 0,
  };
}

function portsOf(text: string): { name: string; port: number }[] {
  return text
    .split(',')
    .map((each) => /^(?:([a-z0-9-]{1,63})=)?(\d{1,5})$/.exec(each))
    .filter((match) => match !== null)
    .map((match) => ({ name: match[1] ?? '', port: Number(match[2]) }));
}

function barePorts(text: string): readonly PortRange[] {
  const excluded = readPortRanges(text) ?? [];
  return excluded.length === 0 ? onlyMetrics : joinPortRanges([...excluded, ...onlyMetrics]);
}
