export { eventually } from './eventually.ts';
export { everySplit } from './every-split.ts';
export { FakeClock } from './fake-clock.ts';
export { forEachSeed } from './for-each-seed.ts';
export { freePorts } from './free-ports.ts';
export { isRunning } from './is-running.ts';
export { type Fault, ScriptedApiServer, type ScriptedObject, type ServedCall } from './scripted-api-server.ts';
export { type Expectation, type PeerEnd, ScriptedPeer, ScriptedServer } from './scripted-peer.ts';
export {
  type LinkFaults,
  type StreamEnd,
  type StreamHandlers,
  type StreamListener,
  VirtualNetwork,
  VirtualNode,
  VirtualStream,
} from './virtual-network.ts';
