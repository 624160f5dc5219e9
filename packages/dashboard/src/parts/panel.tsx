import type { ComponentChildren } from 'preact';
import type { Live } from '../feed/use-document.ts';
import { clock } from '../format.ts';
import { SilentReplicas, replicasOf } from './silent-replicas.tsx';

/** A part of a page with its heading. */
export function Panel({
  title,
  note,
  tools,
  children,
  wide = false,
}: {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly wide?: boolean;
}) {
  return (
    <section class={wide ? 'panel wide' : 'panel'} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note === undefined ? null : <span class="note">{note}</span>}
        {tools === undefined ? null : <div class="tools">{tools}</div>}
      </header>
      {children}
    </section>
  );
}

/** What is shown in place of what there is none of. */
export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** Shows `children` once there is a document, and says when it is old or missing, or when a part of it is. */
export function Loaded<T>({
  live,
  children,
}: {
  readonly live: Live<T>;
  readonly children: (value: T) => ComponentChildren;
}) {
  const { value, trouble, seenAtMs } = live;
  if (value === undefined) {
    return trouble === '' ? (
      <p class="empty" aria-busy="true">
        Loading …
      </p>
    ) : (
      <p class="trouble" role="alert">
        {trouble}
      </p>
    );
  }
  return (
    <>
      {trouble === '' ? null : (
        <p class="trouble" role="status">
          As of {clock(seenAtMs)}: {trouble}. Trying again.
        </p>
      )}
      <SilentReplicas replicas={replicasOf(value)} />
      {children(value)}
    </>
  );
}
