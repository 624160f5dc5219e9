import type { EventsJson } from '@weft/control';
import type { MeshEvent } from '@weft/wire';
import { useDocument } from '../feed/use-document.ts';
import { clock } from '../format.ts';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { Badge } from '../parts/value.tsx';

/** What happened lately. */
export function EventsPage() {
  const live = useDocument<EventsJson>('/api/v1/events');
  return (
    <>
      <header class="head">
        <h1>Events</h1>
      </header>
      <Panel title="The last 200" wide note="newest first">
        <Loaded live={live}>{({ events }) => <EventList events={events} />}</Loaded>
      </Panel>
    </>
  );
}

export function EventList({ events }: { readonly events: readonly MeshEvent[] }) {
  if (events.length === 0) return <Empty>Nothing has happened since the control plane started.</Empty>;
  return (
    <ul class="list events">
      {events.map(({ atMs, type, severity, message }, index) => (
        <li key={`${atMs} ${index}`}>
          <time dateTime={new Date(atMs).toISOString()}>{clock(atMs)}</time>
          <Badge tone={severity === 'error' ? 'bad' : severity === 'warning' ? 'warn' : 'quiet'}>{type}</Badge>
          <span>{message}</span>
        </li>
      ))}
    </ul>
  );
}
