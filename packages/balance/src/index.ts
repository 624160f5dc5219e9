export { EndpointState, releaseSlot } from './endpoint-state.ts';
export {
  FAILURE_LATENCY_MS,
  WARM_SAMPLES,
  countSample,
  fadedLatencyMs,
  observeFailure,
  observeLatency,
  restartLatency,
} from './peak-ewma.ts';
export { type PickCursor, type Picker, type PickRefusal, compilePicker, newPickCursor } from './picker.ts';
export { slowStartShare } from './slow-start.ts';
export { TriedEndpoints } from './tried-endpoints.ts';
