/** A whole mesh inside one process, on real sockets, for tests. */
export type { ApplicationHandler } from './application.ts';
export { MeshClock } from './mesh-clock.ts';
export { type MeshFault, type MeshOptions, type ServiceOptions, type TestMesh, startMesh } from './start-mesh.ts';
