import { parseArgs } from 'node:util';

export interface DemoOptions {
  readonly isCheck: boolean;
  /** Part of a fact's name; empty for all. */
  readonly only: string;
  readonly keep: boolean;
  /** 0: until somebody ends it. */
  readonly seconds: number;
  readonly help: boolean;
}

/** Reads the command line; the error is one line for a person. */
export function readDemoOptions(
  args: readonly string[],
): { readonly ok: true; readonly value: DemoOptions } | { readonly ok: false; readonly error: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        check: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        keep: { type: 'boolean', default: false },
        seconds: { type: 'string', default: '0' },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    }));
  } catch (error) {
    return { ok: false, error: (error as Error).message.split('. ')[0]! };
  }
  const seconds = /^\d{1,6}$/.test(values.seconds) ? Number(values.seconds) : Number.NaN;
  if (Number.isNaN(seconds)) return { ok: false, error: `--seconds ${values.seconds}: expected a whole number` };
  return {
    ok: true,
    value: { isCheck: values.check, only: values.only, keep: values.keep, seconds, help: values.help },
  };
}
