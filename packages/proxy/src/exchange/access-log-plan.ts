import { readLogFilter } from '@weft/model';
import type { AccessLogSettings, LogFilter } from '@weft/model';
import type { Termination } from '@weft/outcome';
import { AccessLog, isLogged } from '@weft/telemetry';
import type { AccessLogFacts, AccessLogWhen } from '@weft/telemetry';

/** Of so many requests that did not fail a share is drawn by their trace id. */
const MILLION = 1_000_000;

/** Which requests get a line, and what it looks like. */
export class AccessLogPlan {
  readonly when: AccessLogWhen;
  readonly writer: AccessLog;
  private readonly filter: LogFilter | null;
  private readonly perMillion: number;

  /** `when` holds without settings. */
  constructor(settings: AccessLogSettings | null, when: AccessLogWhen) {
    this.when = settings?.when ?? when;
    this.writer = new AccessLog({ format: settings?.format ?? 'Json', query: settings?.query ?? 'Redact' });
    const filter = settings === null || settings.filter === '' ? undefined : readLogFilter(settings.filter);
    // The control plane has read it before; what an older proxy cannot read filters nothing.
    this.filter = filter?.ok === true ? filter.value : null;
    this.perMillion = settings?.perMillion ?? MILLION;
  }

  /** Whether facts are worth gathering: asked first, of every request. */
  wants(status: number, grpcStatus: number, termination: Termination): boolean {
    return isLogged(this.when, status, grpcStatus, termination);
  }

  /** The line, or undefined when the filter or the draw is against it. Failures are never drawn away. */
  write(facts: AccessLogFacts): string | undefined {
    if (this.filter !== null && !this.filter(facts)) return undefined;
    if (this.perMillion < MILLION && !isLogged('Errors', facts.status, facts.grpcStatus, facts.termination)) {
      // By the trace id, so that the hops of one request are logged together.
      const draw = (Number.parseInt(facts.traceId.slice(-8), 16) / 2 ** 32) * MILLION;
      if (!(draw < this.perMillion)) return undefined;
    }
    return this.writer.write(facts);
  }
}
