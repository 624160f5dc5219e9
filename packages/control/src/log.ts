/**
 * Where the control plane says what happens. Fields are facts for machines; the message is one sentence for a person that
 * ends with what to do when there is something to do.
 */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean>>;
