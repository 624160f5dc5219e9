export { grpcStatusNames } from './grpc-status.ts';
export { terminationCodes, terminationIndex, terminations } from './termination.ts';
export type { RetryReason, Termination, TerminationCode } from './termination.ts';
