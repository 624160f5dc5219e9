import { envoy } from './envoy.ts';
import { haproxy } from './haproxy.ts';
import { nghttpx } from './nghttpx.ts';
import { nginx } from './nginx.ts';
import { nodeHttp } from './node-http.ts';
import type { Subject } from './subject.ts';
import { weft } from './weft.ts';

export const subjects: readonly Subject[] = [weft, haproxy, nginx, envoy, nghttpx, nodeHttp];
