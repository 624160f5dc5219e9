import type { StateFolder } from '@weft/identity';
import type { DestinationKey } from '@weft/model';
import { describeListenFault, named } from './listen-fault.ts';
import { PortMemory } from './port-memory.ts';
import type { CapturePorts, ProxyOptions } from './proxy-options.ts';
import type { Serving } from './serving.ts';

/** More local addresses than a laptop calls; a larger mesh is called through the proxy variable. */
const MOST_LOCAL_ADDRESSES = 128;

/**
 * Which listeners a proxy has, and on which ports. Those of the options are opened at start; gateway ports and local
 * addresses follow the configuration in force.
 */
export class ListenerSet {
  /** Of the explicit proxy; -1 without one. */
  outboundPort: number;
  /** Application port to mesh port. */
  readonly inboundPorts: Map<number, number>;
  /** Declared port of the Gateway to the port listened on. */
  readonly gatewayPorts: Map<number, number>;
  readonly localPorts: Map<DestinationKey, number>;
  private readonly options: ProxyOptions;
  private readonly serving: Serving;

  constructor(options: ProxyOptions, serving: Serving) {
    this.options = options;
    this.serving = serving;
    this.outboundPort = -1;
    this.inboundPorts = new Map();
    this.gatewayPorts = new Map();
    this.localPorts = new Map();
  }

  /** Opens what the options ask for. Rejects with a sentence for a person. */
  async open(folder: StateFolder | null): Promise<void> {
    const { options, serving } = this;
    const memory = new PortMemory(folder);
    const opened = new Map<string, number>();
    if (options.capture !== undefined) await this.openCaptured(options.capture);
    for (const { applicationPort } of options.capture === undefined ? options.inbound : []) {
      const name = `inbound ${applicationPort}`;
      const plan = { kind: 'inbound', name, host: options.meshHost, applicationPort } as const;
      const port = await named(
        'the inbound listener',
        memory.open(name, (wanted) => serving.listen(plan, wanted)),
      );
      this.inboundPorts.set(applicationPort, port);
      opened.set(name, port);
    }
    if (options.outboundPort >= 0) {
      const name = 'outbound';
      const open = (port: number) => serving.listen({ kind: 'explicit', name, host: '127.0.0.1' }, port);
      const wanted = options.outboundPort === 0 ? memory.open(name, open) : open(options.outboundPort);
      this.outboundPort = await named('the outbound proxy', wanted);
      opened.set(name, this.outboundPort);
    }
    const fault = memory.store(opened);
    if (fault !== '') options.log.warn(`ports not stored: ${fault}; a restart takes others`);
    await this.follow();
  }

  /** All of a pod's traffic comes in by two ports; peers dial the application's own. */
  private async openCaptured({ inbound, outbound }: CapturePorts): Promise<void> {
    const { options, serving } = this;
    const host = '';
    const inboundPlan = { kind: 'captured-inbound', name: 'captured inbound', host } as const;
    await named('the listener for what arrives', serving.listen(inboundPlan, inbound));
    const outboundPlan = { kind: 'captured-outbound', name: 'captured outbound', host } as const;
    await named('the listener for what leaves', serving.listen(outboundPlan, outbound));
    for (const { applicationPort } of options.inbound) this.inboundPorts.set(applicationPort, applicationPort);
  }

  /** Opens what the configuration in force asks for and was not open before; closes what it no longer asks for. */
  async follow(): Promise<void> {
    if (this.options.mode === 'gateway') await this.followGateway();
    if (this.options.localAddresses) await this.followLocalAddresses();
  }

  private async followGateway(): Promise<void> {
    const { gatewayHost, gatewayPorts, log } = this.options;
    const wanted = this.serving.inForce.wanted.gatewayPorts;
    for (const declaredPort of wanted) {
      if (this.gatewayPorts.has(declaredPort)) continue;
      const plan = { kind: 'gateway', name: `gateway ${declaredPort}`, host: gatewayHost, declaredPort } as const;
      try {
        const port = await this.serving.listen(plan, gatewayPorts.get(declaredPort) ?? declaredPort);
        this.gatewayPorts.set(declaredPort, port);
        log.info('gateway listens', { declared: declaredPort, address: `${gatewayHost}:${port}` });
      } catch (error) {
        log.error(`gateway port ${declaredPort}: ${describeListenFault(error)}`);
      }
    }
    for (const declaredPort of this.gatewayPorts.keys()) {
      if (wanted.includes(declaredPort)) continue;
      this.gatewayPorts.delete(declaredPort);
      this.serving.close(`gateway ${declaredPort}`);
    }
  }

  private async followLocalAddresses(): Promise<void> {
    for (const destination of this.serving.inForce.wanted.destinations) {
      if (this.localPorts.has(destination) || this.localPorts.size >= MOST_LOCAL_ADDRESSES) continue;
      const plan = { kind: 'fixed', name: `local ${destination}`, host: '127.0.0.1', destination } as const;
      this.localPorts.set(destination, await this.serving.listen(plan, 0));
    }
  }
}
