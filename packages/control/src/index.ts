export {
  type ControlOptions,
  type ControlPlane,
  ControlStartError,
  type ControlStatus,
  type RootRotation,
  type TokenRequest,
  startControlPlane,
} from './control-plane.ts';
export type { Log, LogFields } from './log.ts';
export type { PushResult } from './push-progress.ts';
export { type ConfigPlace, type PlacedObject, readPlace } from './source/config-place.ts';
export { FileSource, type FileSourceOptions } from './source/file-source.ts';
export { MemorySource } from './source/memory-source.ts';
export type { ObjectSource, SourceSink } from './source/object-source.ts';
