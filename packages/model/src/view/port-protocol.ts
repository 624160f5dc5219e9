import type { ObjectOf } from '../kinds/kind-table.ts';
import type { ServicePort } from '../kinds/service.ts';
import { protocolOf } from './destination.ts';
import { type Model, serviceKey } from './model.ts';
import type { ApplicationProtocol } from './resource.ts';
import { attachToService, refsTo } from './route-attachment.ts';
import { applicationPortOf } from './workload-index.ts';

/**
 * Ports of protocols in which the server speaks first, or the client waits for it: opaque unless something says otherwise, so
 * that nobody waits for bytes that do not come. SMTP, MySQL, PostgreSQL (its client speaks first, in a form of its own),
 * Redis, MongoDB, memcached, Kafka, AMQP, ZooKeeper, Cassandra, LDAP, IMAP and POP3, with their usual TLS forms.
 */
const opaquePorts: ReadonlySet<number> = new Set([
  25, 110, 143, 389, 465, 587, 636, 993, 995, 2181, 3306, 4222, 5432, 5671, 5672, 6379, 9042, 9092, 11_211, 27_017,
]);

/**
 * What a Service port speaks, the first that says something: its declaration; the routes attached to it; what the sidecars of
 * its instances have learned, when none contradicts; the list of opaque ports. A port with routes of HTTP is `Unknown` and
 * never `Tcp` without a declaration: bytes that are no requests are refused there.
 */
export function portProtocol(model: Model, service: ObjectOf<'Service'>, port: ServicePort): ApplicationProtocol {
  const declared = protocolOf(port);
  if (declared !== 'Unknown') return declared;
  const routes = model.routesByService.get(serviceKey(service));
  if (routes.size > 0) {
    let opaque = false;
    for (const route of model.requestRoutes(routes)) if (isAttached(route, service, port)) return 'Unknown';
    for (const route of model.opaqueRoutes(routes)) opaque ||= isAttached(route, service, port);
    if (opaque) return 'Tcp';
  }
  const learned = learnedProtocol(model, service, port);
  if (learned !== 'Unknown') return learned;
  return opaquePorts.has(port.port) ? 'Tcp' : 'Unknown';
}

/** Only what all instances agree on that have learned something. */
function learnedProtocol(model: Model, service: ObjectOf<'Service'>, port: ServicePort): ApplicationProtocol {
  let learned: ApplicationProtocol = 'Unknown';
  for (const key of model.workloads.membersOf(serviceKey(service))) {
    const workload = model.workloads.get(key);
    const instance = workload?.instance;
    if (workload === undefined || instance === undefined) continue;
    const applicationPort = applicationPortOf(workload, port);
    const found = instance.ports.find((each) => each.applicationPort === applicationPort)?.learned ?? 'Unknown';
    if (found === 'Unknown') continue;
    if (learned !== 'Unknown' && learned !== found) return 'Unknown';
    learned = found;
  }
  return learned;
}

function isAttached(route: Parameters<typeof refsTo>[0], service: ObjectOf<'Service'>, port: ServicePort): boolean {
  return refsTo(route, 'Service', serviceKey(service)).some((ref) => {
    const attachment = attachToService(service, ref, route.kind);
    return attachment.ok && attachment.ports.includes(port);
  });
}
