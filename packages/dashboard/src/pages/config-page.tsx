import type { EventsJson, ObjectsJson, OverviewJson, ProxiesJson } from '@weft/control';
import type { ObjectStatus, ProxyStatus } from '@weft/wire';
import { useState } from 'preact/hooks';
import { conditionTone } from '../condition-tone.ts';
import { useDocument } from '../feed/use-document.ts';
import { useNow } from '../feed/use-now.ts';
import { ago } from '../format.ts';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { Progress } from '../parts/progress.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { Badge, Tile, Value } from '../parts/value.tsx';
import { objectHref, proxyHref } from '../route.ts';
import { EventList } from './events-page.tsx';

/** What is configured, what is wrong with it, and how far it has come. */
export function ConfigPage() {
  const objects = useDocument<ObjectsJson>('/api/v1/objects');
  const overview = useDocument<OverviewJson>('/api/v1/overview');
  const proxies = useDocument<ProxiesJson>('/api/v1/proxies');
  const events = useDocument<EventsJson>('/api/v1/events');
  const [words, setWords] = useState('');
  return (
    <>
      <header class="head">
        <h1>Configuration</h1>
        <span class="soft">{overview.value?.server.source}</span>
      </header>
      <Loaded live={overview}>
        {({ server, problems }) => (
          <>
            <dl class="tiles">
              <Tile name="In force" text={String(server.objects)} why="" note="objects" />
              <Tile
                name="Refused"
                text={String(server.objectsRefused)}
                why=""
                tone={server.objectsRefused > 0 ? 'bad' : 'plain'}
                note="last good stays"
              />
              <Tile
                name="Errors"
                text={String(problems.filter(({ severity }) => severity === 'error').length)}
                why=""
                tone={problems.some(({ severity }) => severity === 'error') ? 'bad' : 'plain'}
              />
              <Tile
                name="Warnings"
                text={String(problems.filter(({ severity }) => severity !== 'error').length)}
                why=""
              />
            </dl>
            {problems.length === 0 ? null : (
              <Panel title="Problems" wide>
                <ul class="list problems">
                  {problems.map(({ severity, kind, namespace, name, message }, index) => (
                    <li key={`${index} ${message}`}>
                      <Badge tone={severity === 'error' ? 'bad' : 'warn'}>{severity}</Badge>
                      <a href={objectHref(kind, namespace, name)}>
                        {kind} {namespace === '' ? '' : `${namespace}/`}
                        {name}
                      </a>
                      <span>{message}</span>
                    </li>
                  ))}
                </ul>
              </Panel>
            )}
          </>
        )}
      </Loaded>
      <Panel title="Rollout" note="who has which version">
        <Loaded live={proxies}>{({ proxies: all }) => <Rollout proxies={all} />}</Loaded>
      </Panel>
      <Panel title="Events" note={<a href="/events">all</a>}>
        <Loaded live={events}>{({ events: all }) => <EventList events={all.slice(0, 8)} />}</Loaded>
      </Panel>
      <Panel
        title="Objects"
        wide
        tools={
          <input
            type="search"
            placeholder="Filter"
            aria-label="Filter objects"
            value={words}
            onInput={({ currentTarget }) => setWords(currentTarget.value)}
          />
        }
      >
        <Loaded live={objects}>
          {({ objects: all }) => (
            <Table
              caption="Configuration objects"
              columns={COLUMNS}
              rows={all.filter(({ kind, namespace, name }) =>
                `${kind} ${namespace}/${name}`.toLowerCase().includes(words.trim().toLowerCase()),
              )}
              rowKey={({ kind, namespace, name }) => `${kind} ${namespace}/${name}`}
              sortedBy="Object"
              empty={all.length === 0 ? 'There is no object yet.' : 'No object fits.'}
            />
          )}
        </Loaded>
      </Panel>
    </>
  );
}

/** What stands in the way of an object, in a word. */
export function ObjectBadge({ object: { conditions, problems } }: { readonly object: ObjectStatus }) {
  const no = conditions.find((each) => conditionTone(each) === 'bad' && each.type !== 'Programmed');
  if (problems.some(({ severity }) => severity === 'error')) return <Badge tone="bad">refused</Badge>;
  if (no !== undefined) return <Badge tone="bad" title={no.message}>{`${no.type}: ${no.reason}`}</Badge>;
  return problems.length > 0 ? (
    <Badge tone="warn">{`${problems.length} warning${problems.length === 1 ? '' : 's'}`}</Badge>
  ) : (
    <Badge tone="good">accepted</Badge>
  );
}

const COLUMNS: readonly Column<ObjectStatus>[] = [
  {
    name: 'Object',
    by: ({ kind, namespace, name }) => `${kind} ${namespace}/${name}`,
    cell: ({ kind, namespace, name }) => (
      <a href={objectHref(kind, namespace, name)}>
        <span class="soft">{kind} </span>
        {namespace === '' ? '' : `${namespace}/`}
        {name}
      </a>
    ),
  },
  {
    name: 'Status',
    by: ({ problems, conditions }) =>
      problems.length * 10 + conditions.filter((each) => conditionTone(each) === 'bad').length,
    cell: (object) => <ObjectBadge object={object} />,
  },
  {
    name: 'Programmed',
    by: ({ proxies, programmed }) => (proxies === 0 ? null : programmed / proxies),
    cell: ({ proxies, programmed }) =>
      proxies === 0 ? (
        <Value text="–" why="no connected proxy uses it" />
      ) : (
        <Progress done={programmed} all={proxies} name="proxies" />
      ),
  },
  {
    name: 'Place',
    isMinor: true,
    by: ({ file, line }) => `${file}:${String(line).padStart(6)}`,
    cell: ({ file, line }) => <span class="mono soft">{file === '' ? '' : line === 0 ? file : `${file}:${line}`}</span>,
  },
];

/** Proxies by what they lack: those that hold the same need the same, so the newest state is what is not behind. */
function Rollout({ proxies }: { readonly proxies: readonly ProxyStatus[] }) {
  const nowMs = useNow();
  const behind = proxies.filter(({ state }) => state !== 'Synced');
  if (proxies.length === 0) return <Empty>No proxy is connected.</Empty>;
  return (
    <>
      <p class="rollout">
        <Progress
          done={proxies.length - behind.length}
          all={proxies.length}
          name="proxies have the newest configuration"
        />
      </p>
      {behind.length === 0 ? (
        <p class="empty">Nothing is on its way: every proxy has acknowledged the newest of what it uses.</p>
      ) : (
        <ul class="list">
          {behind.slice(0, 50).map(({ name, state, behind: missing, refused, lastAckAtMs }) => (
            <li key={name}>
              <Badge tone={state === 'Refusing' || state === 'Lost' ? 'bad' : 'warn'}>{state}</Badge>{' '}
              <a href={proxyHref(name)}>{name}</a>{' '}
              <span class="soft">
                {refused > 0 ? `refuses ${refused}, ` : ''}
                {missing > 0 ? `lacks ${missing}, ` : ''}last ACK {ago(lastAckAtMs, nowMs)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
