/** All JSON of the dashboard's API, in one place that needs nothing of the control plane: the browser's side is checked by it. */
export type {
  EventsJson,
  FaultJson,
  ObjectsJson,
  OverviewJson,
  ProblemJson,
  ProxiesJson,
  ProxyCountsJson,
  ProxyJson,
  ServicesJson,
} from './dashboard-json.ts';
export type {
  EdgeJson,
  NodeJson,
  ProxyGaugesJson,
  RouteTrafficJson,
  SeriesJson,
  ServiceEndpointsJson,
  ServiceJson,
  SignalsJson,
  TapJson,
  TopologyJson,
  WhyJson,
} from '../observation/observation-json.ts';
