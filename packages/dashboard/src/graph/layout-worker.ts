import { type LayoutRequest, layOut } from './graph-layout.ts';

self.addEventListener('message', ({ data }: MessageEvent<LayoutRequest>) => self.postMessage(layOut(data)));
