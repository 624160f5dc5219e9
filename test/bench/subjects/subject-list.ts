import { envoy } from './envoy.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { nodeHttp } from './node-http.ts';
import type { Subject } from './subject.ts';

export const subjects: readonly Subject[] = [haproxy, nginx, envoy, nodeHttp];
