import type { Point, Size } from './graph-camera.ts';
import { type Scene, edgeLines, nodeLines } from './graph-scene.ts';

/** What the pointer or the focus is on. */
export interface Pointed {
  /** Id of a node or an edge; empty: nothing. */
  readonly key: string;
  /** Where it is said what it is, in CSS pixels of the place. */
  readonly at: Point;
}

/** In words, with figures, what is pointed at. */
export function GraphTip({
  near,
  pointed: { key, at },
  room,
}: {
  /** That, with what is next to it. */
  readonly near: Scene | null;
  readonly pointed: Pointed;
  readonly room: Size;
}) {
  const node = near?.nodes.find((each) => each.node.id === key)?.node;
  const edge = node === undefined ? near?.edges.find((each) => each.edge.id === key)?.edge : undefined;
  const edges = node === undefined ? [] : (near?.edges ?? []);
  const lines = node === undefined ? (edge === undefined ? [] : edgeLines(edge)) : nodeLines(node);
  const callers = edges.filter(({ edge: { to } }) => to === key).length;
  const callees = edges.filter(({ edge: { from } }) => from === key).length;
  const isRight = at.x > room.width / 2;
  const isLow = at.y > room.height * 0.7;
  const style = {
    ...(isRight ? { right: `${room.width - at.x + 10}px` } : { left: `${at.x + 10}px` }),
    ...(isLow ? { bottom: `${room.height - at.y + 12}px` } : { top: `${at.y + 14}px` }),
  };
  // The status stays and is empty, so that what comes into it is read out.
  return (
    <div role="status" class="tip" hidden={lines.length === 0} style={lines.length === 0 ? {} : style}>
      {lines.map((line, index) => (
        <span key={line} class={index === 0 ? 'first' : undefined}>
          {line}
        </span>
      ))}
      {callers + callees === 0 ? null : (
        <span>
          <span class="ink-blue">called by {callers}</span>, <span class="ink-accent">calls {callees}</span>
        </span>
      )}
    </div>
  );
}
