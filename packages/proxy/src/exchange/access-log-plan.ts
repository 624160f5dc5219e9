import { readLogFilter } from '@weft/model';
import type { AccessLogSettings, LogFilter, LogFilterFacts } from '@weft/model';
import type { Termination } from '@weft/outcome';
import { AccessLog, isFailure, isLogged, isSampledId } from '@weft/telemetry';
import type { AccessLogFacts, AccessLogWhen, ConnectionLogFacts } from '@weft/telemetry';

const MILLION = 1_000_000;

/** Which requests and connections get a line, and what it looks like. */
export class AccessLogPlan {
  readonly when: AccessLogWhen;
  private readonly writer: AccessLog;
  private readonly filter: LogFilter | null;
  private readonly perMillion: number;
  /** Of what has no trace id, what has been owed to the log since its last line, in millionths of a line. */
  private owed: number;

  /** `when` holds without settings. */
  constructor(settings: AccessLogSettings | null, when: AccessLogWhen) {
    this.when = settings?.when ?? when;
    this.writer = new AccessLog({ format: settings?.format ?? 'Json', query: settings?.query ?? 'Redact' });
    const filter = settings === null || settings.filter === '' ? undefined : readLogFilter(settings.filter);
    // The control plane has read it before; what an older proxy cannot read filters nothing.
    this.filter = filter?.ok === true ? filter.value : null;
    this.perMillion = settings?.perMillion ?? MILLION;
    this.owed = 0;
  }

  /** Whether facts are worth gathering: asked first, of every request. */
  wants(status: number, grpcStatus: number, termination: Termination): boolean {
    return isLogged(this.when, status, grpcStatus, termination);
  }

  /** The line, or undefined when the filter or the draw is against it. Failures are never drawn away. */
  write(facts: AccessLogFacts): string | undefined {
    if (this.filter !== null && !this.filter(facts)) return undefined;
    if (this.perMillion < MILLION && !isFailure(facts.status, facts.grpcStatus, facts.termination)) {
      if (!this.draws(facts.traceId)) return undefined;
    }
    return this.writer.write(facts);
  }

  /** The same for a TCP connection. A filter finds what only requests have empty: no method, no path, status 0. */
  writeConnection(facts: ConnectionLogFacts): string | undefined {
    if (this.filter !== null && !this.filter(askable(facts))) return undefined;
    if (this.perMillion < MILLION && !isFailure(0, -1, facts.termination) && !this.draws('')) return undefined;
    return this.writer.writeConnection(facts);
  }

  /** By the trace id, so that the hops of one request are logged together; without one every so many. */
  private draws(traceId: string): boolean {
    if (traceId !== '') return isSampledId(traceId, this.perMillion);
    this.owed += this.perMillion;
    if (this.owed < MILLION) return false;
    this.owed -= MILLION;
    return true;
  }
}

/** A connection in the words of a filter: the name of its ClientHello is its authority, its bytes are those of bodies. */
function askable(facts: ConnectionLogFacts): LogFilterFacts {
  return {
    direction: facts.direction,
    protocol: 'tcp',
    source: facts.source,
    destination: facts.destination,
    method: '',
    authority: facts.serverName,
    target: '',
    status: 0,
    grpcStatus: -1,
    termination: facts.termination,
    requestBytes: facts.receivedBytes,
    responseBytes: facts.sentBytes,
    durationMs: facts.durationMs,
    attempts: facts.attempts,
    upstreamAddress: facts.upstreamAddress,
    downstreamAddress: facts.downstreamAddress,
    route: facts.route,
    rule: facts.rule,
  };
}
