import type { ObjectsJson } from '@weft/control';
import type { Condition, ObjectProblem, ObjectStatus } from '@weft/wire';
import { conditionTone } from '../condition-tone.ts';
import { useDocument } from '../feed/use-document.ts';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { Progress } from '../parts/progress.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { Badge } from '../parts/value.tsx';
import { serviceHref } from '../route.ts';
import { ObjectBadge } from './config-page.tsx';

/** One object: what became of it, and the object itself. */
export function ObjectPage({ names: [kind = '', namespace = '', name = ''] }: { readonly names: readonly string[] }) {
  const address = `/api/v1/objects/${[kind, namespace, name].map(encodeURIComponent).join('/')}`;
  const live = useDocument<ObjectsJson>(address);
  return (
    <>
      <header class="head">
        <h1>
          <span class="soft">
            {kind} {namespace === '-' ? '' : `${namespace}/`}
          </span>
          {name}
        </h1>
        {kind === 'Service' ? (
          <a class="button" href={serviceHref(`${namespace}/${name}`)}>
            Its traffic
          </a>
        ) : null}
      </header>
      <Loaded live={live}>
        {({ objects }) => objects.map((object) => <One key={object.apiVersion} object={object} />)}
      </Loaded>
    </>
  );
}

function One({ object }: { readonly object: ObjectStatus }) {
  const { conditions, problems, proxies, programmed, file, line, yaml } = object;
  return (
    <>
      <p class="summary">
        <ObjectBadge object={object} />
        {proxies === 0 ? (
          <span class="soft">no connected proxy uses it</span>
        ) : (
          <Progress done={programmed} all={proxies} name="proxies have it in force" />
        )}
        <span class="mono soft">{file === '' ? '' : line === 0 ? file : `${file}:${line}`}</span>
      </p>
      {problems.length === 0 ? null : (
        <Panel title="Problems" wide>
          <ul class="list problems">
            {problems.map((problem, index) => (
              <Problem key={`${index} ${problem.path}`} problem={problem} />
            ))}
          </ul>
        </Panel>
      )}
      <Panel title="Conditions" wide>
        <Table
          caption="Conditions of the object"
          columns={CONDITIONS}
          rows={conditions}
          rowKey={({ type, about }) => `${type} ${about}`}
          empty="Nothing is said of it."
        />
      </Panel>
      <Panel title="Object" wide>
        {yaml === '' ? <Empty>Its text is not shown.</Empty> : <pre tabIndex={0}>{yaml}</pre>}
      </Panel>
    </>
  );
}

function Problem({ problem: { code, severity, path, message, expected, fix } }: { readonly problem: ObjectProblem }) {
  return (
    <li>
      <Badge tone={severity === 'error' ? 'bad' : 'warn'}>{code}</Badge>
      <span class="mono">{path}</span>
      <span>
        {message}
        {expected === '' ? '' : `; expected ${expected}`}
        {fix === '' ? '' : `; ${fix}`}
      </span>
    </li>
  );
}

const CONDITIONS: readonly Column<Condition>[] = [
  {
    name: 'Condition',
    by: ({ type }) => type,
    cell: ({ type, status }) => <Badge tone={conditionTone({ type, status })}>{`${type}: ${status}`}</Badge>,
  },
  { name: 'About', isMinor: true, cell: ({ about }) => about },
  { name: 'Reason', cell: ({ reason }) => reason },
  { name: 'Message', cell: ({ message }) => message },
];
