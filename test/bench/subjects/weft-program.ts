/** Run by weft.ts: role, state folder, application port and, where there is one, the control plane's
 * address and a join token. */
import { startProxy } from '@weft/proxy';
import { benchNamespace } from './weft-state.ts';

const [role, stateFolder, applicationPort, controlAddress = '', token = ''] = process.argv.slice(2) as [
  string,
  string,
  string,
  string?,
  string?,
];
const isServer = role === 'server';
const note = (message: string): void => void process.stderr.write(`${message}\n`);
const proxy = await startProxy({
  mode: 'sidecar',
  namespace: benchNamespace,
  name: isServer ? 'server' : 'client',
  serviceAccount: isServer ? 'server' : 'client',
  instance: `bench-${process.pid}`,
  labels: {},
  node: 'bench',
  zone: '',
  weight: 1,
  service: '',
  gateway: '',
  controlAddress,
  token,
  stateFolder,
  inbound: isServer ? [{ applicationPort: Number(applicationPort), name: 'http', applicationHost: '127.0.0.1' }] : [],
  meshHost: '127.0.0.1',
  // 0 takes the one of the life before, which the state folder names.
  outboundPort: isServer ? -1 : 0,
  localAddresses: false,
  gatewayHost: '127.0.0.1',
  gatewayPorts: new Map(),
  statsPort: 0,
  metricsPort: 0,
  metricsHost: '127.0.0.1',
  adminSocket: '',
  accessLog: 'Never',
  drainDeadlineMs: 1_000,
  maxConnections: 0,
  keyAgreement: 'classical',
  version: 'bench',
  log: { debug: () => {}, info: () => {}, warn: note, error: note },
  setLogLevel: () => false,
});
process.once('SIGTERM', () => void proxy.stop().then(() => process.exit(0)));
