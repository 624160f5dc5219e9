/** Unary calls on the server's side: decode, ask, answer; a fault is a status, never an exception. */
import type { MethodDefinition, ServerErrorResponse, sendUnaryData } from '@grpc/grpc-js';
import { type Result, fail } from '@weft/kernel';
import type { WireProblem } from '../message/message.ts';
import { type CallFault, type Method, statusOf } from './method.ts';

/** What a service answers. */
export type Reply<S> = Result<S, CallFault> | Promise<Result<S, CallFault>>;

/** A request as it reaches a handler: bytes that cannot be read are answered, not thrown. */
export type Received<Q> = Result<Q, Pick<WireProblem, 'path' | 'message'>>;

/** A method as grpc-js's server wants it. */
export function unary<Q, S>(method: Method<Q, S>, responseStream = false): MethodDefinition<Received<Q>, S> {
  return {
    path: method.path,
    requestStream: false,
    responseStream,
    requestSerialize: (request) => (request.ok ? method.request.encode(request.value) : Buffer.alloc(0)),
    requestDeserialize: (bytes) => method.request.decode(bytes),
    responseSerialize: (response) => method.response.encode(response),
    responseDeserialize: (bytes) => {
      const decoded = method.response.decode(bytes);
      if (!decoded.ok) throw new Error(`${decoded.error.path}: ${decoded.error.message}`);
      return decoded.value;
    },
  };
}

/** Answers one call by `handle`. */
export function callback<Q, S>(request: Received<Q>, done: sendUnaryData<S>, handle: (request: Q) => Reply<S>): void {
  if (!request.ok) {
    const { path, message } = request.error;
    done(errorOf({ code: 'InvalidArgument', message: path === '' ? message : `${path}: ${message}` }));
    return;
  }
  const answer = (reply: Result<S, CallFault>): void => {
    if (reply.ok) done(null, reply.value);
    else done(errorOf(reply.error));
  };
  const reply = handle(request.value);
  if (reply instanceof Promise) void settle(reply, answer);
  else answer(reply);
}

/** The error grpc-js turns into a status. */
export function errorOf({ code, message }: CallFault): ServerErrorResponse {
  return Object.assign(new Error(message), { code: statusOf(code), details: message });
}

async function settle<S>(
  reply: Promise<Result<S, CallFault>>,
  answer: (reply: Result<S, CallFault>) => void,
): Promise<void> {
  let result: Result<S, CallFault>;
  try {
    result = await reply;
  } catch (error) {
    result = fail({ code: 'Internal', message: error instanceof Error ? error.message : String(error) });
  }
  answer(result);
}
