import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
// oxlint-disable-next-line import/default -- Vite makes a module whose default is the address of the built worker
import workerAddress from './layout-worker.ts?worker&url';
import type { Point } from './graph-camera.ts';
import { type Graph, shapeOf } from './graph-model.ts';
import type { Layout, LayoutRequest } from './graph-layout.ts';

/** A layout with the graph it is for, which may be an older one while the next is made. */
export interface Placed extends Omit<Layout, 'id' | 'points'> {
  readonly shape: string;
  readonly points: ReadonlyMap<string, Point>;
}

interface WorkerAddresses {
  createScriptURL(address: string): string;
}

/** Lays the graph out in a worker whenever its shape changes, and never for new figures. `aspect` 0: no room is known yet. */
export function useLayout(graph: Graph, aspect: number): Placed | null {
  const [placed, setPlaced] = useState<Placed | null>(null);
  const worker = useRef<Worker | null>(null);
  const lastId = useRef(0);
  const shape = useMemo(() => shapeOf(graph), [graph]);

  useEffect(() => {
    // The policy of the page lets no text become a script's address but this one.
    worker.current = new Worker(addresses.createScriptURL(workerAddress), { type: 'module' });
    return () => worker.current?.terminate();
  }, []);

  useEffect(() => {
    const { current } = worker;
    if (current === null || aspect === 0) return undefined;
    lastId.current += 1;
    const nodes = graph.nodes.map(({ id }) => id);
    const request: LayoutRequest = {
      id: lastId.current,
      nodes,
      edges: graph.edges.map(({ from, to }) => ({ from, to })),
      aspect,
    };
    const take = ({ data: { id, points, ...layout } }: MessageEvent<Layout>): void => {
      if (id !== request.id) return;
      setPlaced({ ...layout, shape, points: new Map(nodes.map((node, index) => [node, points[index]!])) });
    };
    current.addEventListener('message', take);
    current.postMessage(request);
    return () => current.removeEventListener('message', take);
  }, [shape, aspect]);

  return placed;
}

const addresses: WorkerAddresses = makeAddresses();

function makeAddresses(): WorkerAddresses {
  const asIs: WorkerAddresses = { createScriptURL: (address) => address };
  const { trustedTypes } = window as {
    readonly trustedTypes?: { createPolicy(name: string, rules: WorkerAddresses): WorkerAddresses };
  };
  return trustedTypes?.createPolicy('weft-worker', asIs) ?? asIs;
}
