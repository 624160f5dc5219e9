/** Streams on the server's side that one caller reads: who reads too slowly is told so or let go, and never waited for. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { MeshEvent, TapEvent, TapRequest } from '../admin-message.ts';
import type { AdminService } from './admin-service.ts';
import type { CallFault } from './method.ts';
import { type Received, errorOf } from './unary.ts';

/** Events a watcher may be behind before its stream is ended: it can ask again. */
const MAX_EVENTS_BEHIND = 4096;
const MAX_TAPS_BEHIND = 64;

export function serveTap(call: ServerWritableStream<Received<TapRequest>, TapEvent>, begin: AdminService['tap']): void {
  const refuse = (fault: CallFault): void => void call.emit('error', errorOf(fault));
  if (!call.request.ok) {
    refuse({ code: 'InvalidArgument', message: `${call.request.error.path}: ${call.request.error.message}` });
    return;
  }
  let unsaid = 0;
  const emit = (event: TapEvent): void => {
    const { requests, dropped, replicas } = event;
    // A watcher that reads too slowly is told how much it has missed. That a replica is lost is said once, and always.
    if (call.writableLength > MAX_TAPS_BEHIND && replicas.length === 0) unsaid += requests.length + dropped;
    else {
      call.write({ ...event, dropped: dropped + unsaid });
      unsaid = 0;
    }
  };
  const tapped = begin(call.request.value, emit, (fault) => {
    if (fault === null) call.end();
    else refuse(fault);
  });
  if (!tapped.ok) {
    refuse(tapped.error);
    return;
  }
  call.on('cancelled', tapped.value);
  call.on('close', tapped.value);
}

export function serveEvents(
  call: ServerWritableStream<Received<{ readonly noFollow: boolean }>, MeshEvent>,
  watch: AdminService['watchEvents'],
): void {
  if (!call.request.ok) {
    call.emit('error', errorOf({ code: 'InvalidArgument', message: call.request.error.message }));
    return;
  }
  const emit = (event: MeshEvent): void => {
    if (call.writableLength > MAX_EVENTS_BEHIND) call.destroy();
    else call.write(event);
  };
  const stop = watch(call.request.value.noFollow, emit, () => call.end());
  call.on('cancelled', stop);
  call.on('close', stop);
}
