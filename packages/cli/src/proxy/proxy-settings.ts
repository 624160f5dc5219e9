import { isIP } from 'node:net';
import { type CapturePlan, capturesOutbound, readCaptureArguments } from '@weft/capture';
import { readJoinToken } from '@weft/identity';
import { type ProbeTable, readProbeTable, sidecarPorts } from '@weft/injection';
import { type PortRange, type Result, fail, ok, readDurationMs, readPortRanges } from '@weft/kernel';
import type { InboundOptions, PodToken, ProxyOptions } from '@weft/proxy';
import { type ExportTarget, readExportTarget } from '@weft/telemetry';
import type { FlagValues } from './flag-reader.ts';

/** What a person may say about a proxy process; the rest of `ProxyOptions` is given by the program. */
export interface ProxySettings {
  readonly options: Omit<ProxyOptions, 'log' | 'setLogLevel' | 'version'>;
  readonly logLevel: LogLevel;
  /** -1: none. */
  readonly readyFd: number;
  /** Empty: none. */
  readonly readyFile: string;
  readonly discardState: boolean;
  /** Rules that others have written and the proxy is to find; null: none. */
  readonly captureRules: CapturePlan | null;
}

export type LogLevel = (typeof logLevels)[number];

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

/** What the machine knows and a person need not say. */
export interface Machine {
  readonly hostName: string;
  /** A few random letters. */
  readonly randomName: string;
  /** Reads a token file; undefined when it cannot. */
  readFile(path: string): string | undefined;
}

const accessLogWords = { never: 'Never', errors: 'Errors', always: 'Always' } as const;
/** As long as Kubernetes takes names. */
const nameGrammar = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const LONGEST_DRAIN_MS = 3_600_000;
const LONGEST_FLOOD_HOLD_MS = 3_600_000;
const MAX_WEIGHT = 1_000_000;

/** Checks everything; the error is one line that names the flag and what was expected. */
export function readProxySettings(values: FlagValues, machine: Machine): Result<ProxySettings, string> {
  try {
    return ok(settingsOf(values, machine));
  } catch (error) {
    if (error instanceof SettingFault) return fail(error.message);
    throw error;
  }
}

/** Unwinds to `readProxySettings`, the only catcher. */
class SettingFault extends Error {}

function settingsOf(values: FlagValues, machine: Machine): ProxySettings {
  const mode = word(values, 'mode', ['sidecar', 'gateway'] as const);
  const gateway = values.one('gateway');
  if (mode === 'gateway' && !/^[^/]+\/[^/]+$/.test(gateway)) {
    refuse('gateway', gateway, 'NAMESPACE/NAME of the Gateway to serve, which --mode gateway needs');
  }
  if (mode === 'sidecar' && gateway !== '') refuse('gateway', gateway, 'nothing in --mode sidecar');
  const [gatewayNamespace = '', gatewayName = ''] = gateway.split('/');
  const given = tokenOf(values, machine);
  const podToken = podTokenOf(values, machine, given);
  const token = podToken === undefined ? given : '';
  const captured = captureOf(values);
  const subject = token === '' ? undefined : readJoinToken(token);
  const joined = subject?.ok === true ? subject.value : undefined;
  const service = values.one('service');
  const name = first(values.one('name'), service, gatewayName, joined?.workload);
  if (name === '') throw new SettingFault('--service or --name is needed: which workload is this?');
  const namespace = first(values.one('namespace'), joined?.namespace, gatewayNamespace, 'default');
  const serviceAccount = first(values.one('service-account'), joined?.serviceAccount, name);
  named('name', name);
  named('namespace', namespace);
  named('service-account', serviceAccount);
  if (service !== '') named('service', service);
  const control = values.one('control');
  if (control !== '' && !isHostPort(control)) refuse('control', control, 'HOST:PORT, such as 127.0.0.1:15012');
  const meshHost = values.one('mesh-host');
  if (isIP(meshHost) === 0) refuse('mesh-host', meshHost, 'an IP address that peers can reach');
  const state = values.one('state');
  return {
    logLevel: word(values, 'log-level', logLevels),
    readyFd: values.given('ready-fd') ? whole(values, 'ready-fd', 1, 1023) : -1,
    readyFile: values.one('ready-file'),
    discardState: isOn(values, 'discard-state') && state !== '',
    captureRules: captureRulesOf(values),
    options: {
      mode,
      namespace,
      name,
      serviceAccount,
      instance: first(values.one('instance'), `${name}-${machine.randomName}`),
      labels: labelsOf(values),
      node: first(values.one('node'), machine.hostName),
      zone: values.one('zone'),
      weight: whole(values, 'weight', 0, MAX_WEIGHT),
      service,
      gateway,
      controlAddress: control,
      token,
      stateFolder: state,
      inbound: inboundOf(values),
      meshHost,
      outboundPort: captured ? -1 : whole(values, 'outbound-port', -1, 65_535),
      opaquePorts: opaquePortsOf(values),
      drainKey: values.one('drain-key'),
      applicationProbes: probesOf(values),
      ...applicationMetricsOf(values),
      ...(captured ? { capture: capturePorts } : {}),
      ...(podToken === undefined ? {} : { podToken }),
      localAddresses: isOn(values, 'local-addresses'),
      gatewayHost: values.one('gateway-host'),
      certificateFolder: values.one('certificates'),
      gatewayPorts: gatewayPortsOf(values),
      statsPort: whole(values, 'stats-port', -1, 65_535),
      metricsPort: whole(values, 'metrics-port', -1, 65_535),
      metricsHost: values.one('metrics-host'),
      adminSocket: values.one('admin-socket'),
      accessLog: accessLogWords[word(values, 'access-log', ['never', 'errors', 'always'] as const)],
      ...exportsOf(values),
      drainDeadlineMs: durationOf(values, 'drain-deadline', LONGEST_DRAIN_MS),
      maxConnections: whole(values, 'max-connections', 0, 1_000_000),
      floodHoldMs: durationOf(values, 'flood-hold', LONGEST_FLOOD_HOLD_MS),
      workers: whole(values, 'workers', 1, 64),
      keyAgreement: word(values, 'key-agreement', ['hybrid', 'classical'] as const),
    },
  };
}

function exportsOf(values: FlagValues): Pick<ProxyOptions, 'exports'> {
  const traces = targetOf(values, 'traces-to', 'traces');
  const logs = targetOf(values, 'logs-to', 'logs');
  const text = values.one('traces-share');
  const share = /^(?:0|1|0?\.\d{1,6}|1\.0*)$/.test(text) ? Number(text) : Number.NaN;
  if (!(share <= 1)) refuse('traces-share', text, 'a share from 0 to 1, such as 0.01');
  if (traces === undefined && logs === undefined) return {};
  return {
    exports: {
      ...(traces === undefined ? {} : { traces: { target: traces, sampledPerMillion: Math.round(share * 1_000_000) } }),
      ...(logs === undefined ? {} : { logs }),
    },
  };
}

function targetOf(values: FlagValues, name: string, signal: 'traces' | 'logs'): ExportTarget | undefined {
  const text = values.one(name);
  if (text === '') return undefined;
  const read = readExportTarget(text, signal);
  return read.ok ? read.value : refuse(name, text, read.error);
}

function tokenOf(values: FlagValues, machine: Machine): string {
  const path = values.one('token-file');
  if (path === '') return values.one('token').trim();
  if (values.given('token')) throw new SettingFault('--token and --token-file exclude each other; give one');
  const text = machine.readFile(path);
  if (text === undefined) throw new SettingFault(`--token-file ${path} cannot be read; check the path and its mode`);
  return text.trim();
}

/** Ports of an injected pod, where the rules of its capture lead. */
const capturePorts = {
  inbound: sidecarPorts.inbound,
  outbound: sidecarPorts.outbound,
  proof: sidecarPorts.captureProof,
};

function captureOf(values: FlagValues): boolean {
  const text = values.one('capture');
  if (text !== '' && text !== 'redirect') refuse('capture', text, 'redirect, or nothing');
  return text === 'redirect';
}

function captureRulesOf(values: FlagValues): CapturePlan | null {
  const text = values.one('capture-rules');
  if (text === '') return null;
  const read = readCaptureArguments(text.split(' '));
  // A word that is no option is passed over, and rules that lead nothing here would prove themselves.
  if (read.ok && capturesOutbound(read.value)) return read.value;
  const why = read.ok ? '' : ` (${read.error})`;
  return refuse('capture-rules', text, `options of weft capture, each as --name=value, such as --outbound=all${why}`);
}

function opaquePortsOf(values: FlagValues): readonly PortRange[] {
  const text = values.one('opaque-ports');
  return readPortRanges(text) ?? refuse('opaque-ports', text, 'ports and ranges, such as 3306,9000-9010');
}

function probesOf(values: FlagValues): ProbeTable {
  const text = values.one('app-probes');
  const read = readProbeTable(text);
  return read.ok ? read.value : refuse('app-probes', text.slice(0, 40), read.error);
}

function applicationMetricsOf(values: FlagValues): Pick<ProxyOptions, 'applicationMetrics'> {
  const text = values.one('app-metrics');
  if (text === '') return {};
  const parts = /^(\d{1,5})(\/[\x21-\x7e]*)$/.exec(text);
  const port = Number(parts?.[1] ?? 0);
  if (parts === null || !isPort(port)) refuse('app-metrics', text, 'PORT/PATH, such as 9102/metrics');
  return { applicationMetrics: { port, path: parts[2]! } };
}

/** A token of Kubernetes is a JWT; a join token begins with its own version. */
function podTokenOf(values: FlagValues, machine: Machine, text: string): PodToken | undefined {
  if (!/^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(text)) return undefined;
  const rootsPem = values.one('roots');
  if (!rootsPem.includes('BEGIN CERTIFICATE')) refuse('roots', '', "PEM of the mesh's roots, which this token needs");
  const path = values.one('token-file');
  return {
    read: () => (path === '' ? undefined : machine.readFile(path)?.trim()) ?? text,
    rootsPem,
    trustDomain: values.one('trust-domain'),
  };
}

function inboundOf(values: FlagValues): InboundOptions[] {
  const seen = new Set<number>();
  return values.all('port').map((text) => {
    const parts = /^(?:([a-z0-9-]{1,63})=)?(\d{1,5})$/.exec(text);
    const applicationPort = Number(parts?.[2] ?? 0);
    if (parts === null || !isPort(applicationPort)) refuse('port', text, 'PORT or NAME=PORT, such as http=8080');
    if (seen.has(applicationPort)) refuse('port', text, 'each port once');
    seen.add(applicationPort);
    return { applicationPort, name: parts?.[1] ?? '', applicationHost: values.one('application-host') };
  });
}

function gatewayPortsOf(values: FlagValues): Map<number, number> {
  const ports = new Map<number, number>();
  for (const text of values.all('gateway-port')) {
    const parts = /^(\d{1,5})=(\d{1,5})$/.exec(text);
    const declared = Number(parts?.[1] ?? 0);
    const actual = Number(parts?.[2] ?? -1);
    if (!isPort(declared) || actual < 0 || actual > 65_535) {
      refuse('gateway-port', text, 'DECLARED=ACTUAL, such as 80=8080');
    }
    ports.set(declared, actual);
  }
  return ports;
}

function labelsOf(values: FlagValues): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const text of values.all('label')) {
    const parts = /^([A-Za-z0-9./_-]{1,253})=([A-Za-z0-9._-]{0,63})$/.exec(text);
    if (parts === null) refuse('label', text, 'KEY=VALUE, such as version=v2');
    else labels[parts[1]!] = parts[2]!;
  }
  return labels;
}

function word<const W extends string>(values: FlagValues, name: string, words: readonly W[]): W {
  const text = values.one(name);
  const found = words.find((one) => one === text);
  return found ?? refuse(name, text, `one of ${words.join(', ')}`);
}

function whole(values: FlagValues, name: string, from: number, to: number): number {
  const text = values.one(name);
  const number = /^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return number >= from && number <= to ? number : refuse(name, text, `a whole number from ${from} to ${to}`);
}

function durationOf(values: FlagValues, name: string, maxMs: number): number {
  const text = values.one(name);
  const ms = readDurationMs(text);
  return ms !== undefined && ms <= maxMs ? ms : refuse(name, text, 'a duration up to 1h, such as 30s');
}

function isOn(values: FlagValues, name: string): boolean {
  const text = values.one(name);
  return text !== '' && text !== '0' && text !== 'false';
}

function named(flag: string, text: string): void {
  if (!nameGrammar.test(text)) refuse(flag, text, 'a name of lower-case letters, digits, dots and dashes');
}

function isHostPort(text: string): boolean {
  const parts = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(text);
  return parts !== null && isPort(Number(parts[1]));
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535;
}

function first(...texts: readonly (string | undefined)[]): string {
  return texts.find((text) => text !== undefined && text !== '') ?? '';
}

function refuse(flag: string, text: string, expected: string): never {
  throw new SettingFault(`--${flag} ${text === '' ? 'is empty' : `"${text}"`}: expected ${expected}`);
}
