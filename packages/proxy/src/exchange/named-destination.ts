import { bracketedHost } from '@weft/kernel';
import type { NameTable } from '@weft/decision';
import { FieldId, TargetForm, readAuthority } from '@weft/http';
import type { Head } from '@weft/http';
import type { DestinationKey } from '@weft/model';
import type { TerminationCode } from '@weft/outcome';
import type { Ingress } from './ingress.ts';

/** What the local application means by the host of a request. Of one stream: it remembers what it found last. */
export class NamedDestination {
  /** Why the request is refused; '' when it is not. */
  code: TerminationCode | '';
  detail: string;
  /** A host that is no service of the mesh, when there is neither destination nor refusal. */
  host: string;
  port: number;
  // What the host of the request before meant: nearly always what this one's means.
  private lastAuthority: string;
  private lastNames: NameTable | null;
  private lastKey: DestinationKey | '';

  constructor() {
    this.code = '';
    this.detail = '';
    this.host = '';
    this.port = 0;
    this.lastAuthority = '';
    this.lastNames = null;
    this.lastKey = '';
  }

  /** The destination; '' when the request is refused (`code`), or leaves the mesh (`host`). */
  find(ingress: Ingress, names: NameTable, head: Head, namespace: string): DestinationKey | '' {
    this.code = '';
    const named = head.authority;
    // A browser's page speaks to us in origin form under a name of its own choice (DNS rebinding), and says where it is from.
    if (head.targetForm === TargetForm.Origin && head.field(FieldId.Origin) >= 0 && !isSameOrigin(head)) {
      return this.refuse('cross-site-origin', head.value(head.field(FieldId.Origin)));
    }
    if (named === this.lastAuthority && names === this.lastNames) return this.lastKey;
    const authority = readAuthority(named);
    if (authority === undefined && ingress.kind === 'explicit') {
      return this.refuse('unknown-host', 'the request names no host');
    }
    const host = authority?.host ?? 'localhost';
    const port = authority === undefined || authority.port < 0 ? 80 : authority.port;
    let key = names.resolve(host, port, namespace);
    if (ingress.kind === 'fixed') {
      if (key === '' && !isLoopback(host)) return this.refuse('misdirected', host);
      key = ingress.destination;
    }
    if (key === '') return this.leave(names, host, port, namespace);
    this.lastAuthority = named;
    this.lastNames = names;
    this.lastKey = key;
    return key;
  }

  /** For a host that is no service of the mesh. */
  private leave(names: NameTable, host: string, port: number, namespace: string): '' {
    this.host = host;
    this.port = port;
    if (!isMeshHost(names, host)) return '';
    const ports = names.portsOf(host, namespace);
    const hint =
      ports.length === 0 ? host : `${host} has no port ${port}, it has ${ports.map((p) => p.port).join(', ')}`;
    return this.refuse('unknown-host', hint);
  }

  private refuse(code: TerminationCode, detail: string): '' {
    this.code = code;
    this.detail = detail;
    return '';
  }
}

/** Whether a host without a destination would have to be one of the mesh. `host` is without the brackets of an IPv6 address. */
export function isMeshHost(names: NameTable, host: string): boolean {
  // An address without them would be a name of one label.
  return names.isMeshName(bracketedHost(host));
}

/** RFC 6454 §7: the origin is the very place the request is for. */
function isSameOrigin(head: Head): boolean {
  return head.value(head.field(FieldId.Origin)).toLowerCase() === `http://${head.authority}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
