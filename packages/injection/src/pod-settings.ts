import {
  type AddressRange,
  type PortRange,
  type Result,
  fail,
  ok,
  readAddressRanges,
  readDurationMs,
  readPortRanges,
  readQuantityBytes,
} from '@weft/kernel';
import { type ObjectRef, type Problem, nearestWord, problemOf } from '@weft/model';
import { type CaptureMode, type InjectionSettings, type LogLevel, sidecarSizes } from './injection-settings.ts';
import type { SidecarResources } from './injection-settings.ts';
import { type JsonMap, isMap } from './json-map.ts';

/** What one pod says about its sidecar, over what the mesh says. */
export interface PodSettings {
  readonly image: string;
  readonly capture: CaptureMode;
  readonly logLevel: LogLevel;
  readonly resources: SidecarResources;
  /** Longest wait of a stop for running requests and for callers to learn of it; undefined: from the grace period. */
  readonly drainDeadlineMs: number | undefined;
  /** Not redirected on arrival. */
  readonly excludedInboundPorts: readonly PortRange[];
  /** Not redirected on departure. */
  readonly excludedOutboundPorts: readonly PortRange[];
  readonly excludedOutboundRanges: readonly AddressRange[];
  /** Passed on as they are, without a look at what they speak. */
  readonly opaquePorts: readonly PortRange[];
}

/** One annotation: what it takes, for people, and how it is read. Undefined when the text is not that. */
interface AnnotationWord {
  readonly expected: string;
  /** What it is for. */
  readonly doc: string;
  readonly read: (text: string) => Partial<PodSettings> | Partial<SidecarResources> | undefined;
}

const prefix = 'config.weft.dev/';
const LONGEST_DRAIN_MS = 3_600_000;
const portList = 'ports and ranges of ports, such as 25,9000-9010';

/** All annotations a pod may carry, without their prefix. docs/injection.md is made of it. */
const annotationWords: Readonly<Record<string, AnnotationWord>> = {
  capture: {
    expected: 'Redirect or None',
    doc: '`None`: no rules and no privilege; the application calls through the HTTP proxy at 127.0.0.1:15001',
    read: (text) => (text === 'Redirect' || text === 'None' ? { capture: text } : undefined),
  },
  'exclude-inbound-ports': {
    expected: portList,
    doc: 'ports that are reached directly',
    read: (text) => whenRead(readPortRanges(text), (ports) => ({ excludedInboundPorts: ports })),
  },
  'exclude-outbound-ports': {
    expected: portList,
    doc: 'ports that are called directly',
    read: (text) => whenRead(readPortRanges(text), (ports) => ({ excludedOutboundPorts: ports })),
  },
  'exclude-outbound-ranges': {
    expected: 'address ranges, such as 10.0.0.0/8,fd00::/8',
    doc: 'addresses that are called directly',
    read: (text) => whenRead(readAddressRanges(text), (ranges) => ({ excludedOutboundRanges: ranges })),
  },
  'opaque-ports': {
    expected: portList,
    doc: 'ports that are carried as bytes where nothing declares a protocol',
    read: (text) => whenRead(readPortRanges(text), (ports) => ({ opaquePorts: ports })),
  },
  'log-level': {
    expected: 'debug, info, warn or error',
    doc: 'log of the sidecar',
    read: (text) => (isLogLevel(text) ? { logLevel: text } : undefined),
  },
  'drain-deadline': {
    expected: 'a duration up to 1h, such as 20s',
    doc: 'longest wait of a stop; default: the grace period less 5 s',
    read: (text) => {
      const ms = readDurationMs(text);
      return ms !== undefined && ms <= LONGEST_DRAIN_MS ? { drainDeadlineMs: ms } : undefined;
    },
  },
  image: {
    expected: 'the reference of an image',
    doc: 'another image of the sidecar',
    read: (text) => (/^[a-zA-Z0-9][a-zA-Z0-9._:/@-]{0,510}$/.test(text) ? { image: text } : undefined),
  },
  size: {
    expected: Object.keys(sidecarSizes).join(', '),
    doc: 'resources: 20m and 96-192Mi, 100m and 128-512Mi, 500m and 256Mi-1Gi',
    read: (text) => (Object.hasOwn(sidecarSizes, text) ? sidecarSizes[text as keyof typeof sidecarSizes] : undefined),
  },
  'cpu-request': {
    expected: 'processor time, such as 100m',
    doc: 'over the size',
    read: (text) => quantity(text, isCpu, 'cpuRequest'),
  },
  'cpu-limit': {
    expected: 'processor time, such as 1',
    doc: 'over the size; there is no limit by default, which would slow requests',
    read: (text) => quantity(text, isCpu, 'cpuLimit'),
  },
  'memory-request': {
    expected: 'a size, such as 128Mi',
    doc: 'over the size',
    read: (text) => quantity(text, isSize, 'memoryRequest'),
  },
  'memory-limit': {
    expected: 'a size, such as 512Mi',
    doc: 'over the size',
    read: (text) => quantity(text, isSize, 'memoryLimit'),
  },
};

/** Names of the annotations with their prefix, what each takes, and what it is for. */
export const podAnnotations: readonly { readonly name: string; readonly expected: string; readonly doc: string }[] =
  Object.entries(annotationWords).map(([name, { expected, doc }]) => ({ name: `${prefix}${name}`, expected, doc }));

/** Reads the annotations of a pod. Annotations of others are not looked at; an unknown one of ours is a problem. */
export function readPodSettings(
  annotations: unknown,
  settings: InjectionSettings,
  object: ObjectRef,
): Result<PodSettings, readonly Problem[]> {
  const problems: Problem[] = [];
  let pod: Omit<PodSettings, 'resources'> = {
    image: settings.image,
    capture: settings.capture,
    logLevel: settings.logLevel,
    drainDeadlineMs: undefined,
    excludedInboundPorts: [],
    excludedOutboundPorts: [],
    excludedOutboundRanges: [],
    opaquePorts: [],
  };
  let resources: SidecarResources = sidecarSizes[settings.size];
  // A size is the base that single figures are laid over, whatever their order.
  for (const [name, value] of ourAnnotations(annotations).sort(([left]) => (left === 'size' ? -1 : 0))) {
    const path = ['metadata', 'annotations', `${prefix}${name}`];
    const word = Object.hasOwn(annotationWords, name) ? annotationWords[name] : undefined;
    if (word === undefined) {
      const near = nearestWord(name, Object.keys(annotationWords));
      const fix = near === undefined ? 'Remove it' : `Write ${prefix}${near}`;
      problems.push(
        problemOf('unknown-field', { message: 'there is no such annotation', fix }, path, object, undefined),
      );
      continue;
    }
    const read = typeof value === 'string' ? word.read(value) : undefined;
    if (read === undefined) {
      const message = `${typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : 'the value'} is not understood`;
      problems.push(problemOf('bad-value', { message, expected: word.expected }, path, object, undefined));
    } else if (name === 'size' || name.startsWith('cpu-') || name.startsWith('memory-')) {
      resources = { ...resources, ...(read as Partial<SidecarResources>) };
    } else pod = { ...pod, ...(read as Partial<PodSettings>) };
  }
  return problems.length > 0 ? fail(problems) : ok({ ...pod, resources });
}

function ourAnnotations(annotations: unknown): [string, unknown][] {
  if (!isMap(annotations)) return [];
  return Object.entries(annotations as JsonMap)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), value]);
}

function whenRead<T, R>(read: T | undefined, use: (value: T) => R): R | undefined {
  return read === undefined ? undefined : use(read);
}

function quantity(
  text: string,
  check: (text: string) => boolean,
  field: keyof SidecarResources,
): Partial<SidecarResources> | undefined {
  return check(text) ? { [field]: text } : undefined;
}

function isCpu(text: string): boolean {
  return /^(?:[1-9][0-9]{0,5}m|[0-9]{1,3}(?:\.[0-9]{1,3})?)$/.test(text) && Number.parseFloat(text) > 0;
}

function isSize(text: string): boolean {
  return (readQuantityBytes(text) ?? 0) > 0;
}

function isLogLevel(text: string): text is LogLevel {
  return text === 'debug' || text === 'info' || text === 'warn' || text === 'error';
}
