import type { ComponentChildren } from 'preact';
import { useMemo, useRef } from 'preact/hooks';
import { serviceHref } from '../route.ts';
import type { Camera } from './graph-camera.ts';
import type { SceneNode } from './graph-scene.ts';

/** Links where nodes are drawn; the same elements as long as the nodes are the same ones at the same places. */
export function GraphSpots({
  nodes,
  camera: { x, y, scale },
  onOpen,
}: {
  readonly nodes: readonly SceneNode[];
  readonly camera: Camera;
  readonly onOpen: (namespace: string) => void;
}) {
  const open = useRef(onOpen);
  open.current = onOpen;
  const key = useMemo(
    () => nodes.map(({ node: { id, services }, box: { left, top } }) => `${id} ${services} ${left} ${top}`).join(),
    [nodes],
  );
  const spots = useMemo(() => nodes.map((each) => spotOf(each, (namespace) => open.current(namespace))), [key]);
  return (
    <div class="spots" style={{ transform: `translate(${x}px, ${y}px) scale(${scale})` }}>
      {spots}
    </div>
  );
}

function spotOf({ node, box }: SceneNode, onOpen: (namespace: string) => void): ComponentChildren {
  const shared = {
    'data-key': node.id,
    class: 'node',
    style: {
      left: `${box.left}px`,
      top: `${box.top}px`,
      width: `${box.right - box.left}px`,
      height: `${box.bottom - box.top}px`,
    },
  };
  if (node.kind === 'namespace') {
    const label = `Namespace ${node.label}: show its ${node.services} services`;
    return <button key={node.id} type="button" {...shared} aria-label={label} onClick={() => onOpen(node.namespace)} />;
  }
  const isLink = node.kind !== 'unknown' && node.namespace !== '';
  if (!isLink) return <span key={node.id} {...shared} />;
  return <a key={node.id} {...shared} aria-label={node.id} href={serviceHref(node.id)} draggable={false} />;
}
