export { EndpointState, releaseSlot } from './endpoint-state.ts';
export { countSample, fadedLatencyMs, observeFailure, observeLatency, restartLatency } from './peak-ewma.ts';
export { type PickCursor, type Picker, compilePicker, newPickCursor } from './picker.ts';
export { TriedEndpoints } from './tried-endpoints.ts';
