import type { ComponentChildren } from 'preact';
import { UNKNOWN } from '../format.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'quiet' | 'plain';

/** A figure; where it is not known, a dash that tells why to the pointer and to readers of the screen. */
export function Value({
  text,
  why,
  tone = 'plain',
}: {
  readonly text: string;
  readonly why: string;
  readonly tone?: Tone;
}) {
  if (text !== UNKNOWN) return <span class={`value ${tone}`}>{text}</span>;
  return (
    <span class="value unknown" title={why}>
      <span aria-hidden="true">{UNKNOWN}</span>
      <span class="unseen">unknown: {why}</span>
    </span>
  );
}

/** A word with a colour; the word says it too. */
export function Badge({
  tone,
  children,
  title,
}: {
  readonly tone: Tone;
  readonly children: ComponentChildren;
  readonly title?: string;
}) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}

/** One figure with its name, for the head of a page. */
export function Tile({
  name,
  text,
  why,
  tone = 'plain',
  note = '',
}: {
  readonly name: string;
  readonly text: string;
  readonly why: string;
  readonly tone?: Tone;
  readonly note?: string;
}) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <Value text={text} why={why} tone={tone} />
        {note === '' ? null : <small>{note}</small>}
      </dd>
    </div>
  );
}

/** Of a share of failures: up to 1 % is nothing to wake up for. */
export function failureTone(share: number | null): Tone {
  if (share === null) return 'plain';
  if (share >= 0.05) return 'bad';
  return share >= 0.01 ? 'warn' : 'plain';
}
