export { EndpointState, releaseSlot } from './endpoint-state.ts';
export { TriedEndpoints } from './tried-endpoints.ts';
