import { FieldId, Head } from '@weft/http';

/** Trailers of our own for a gRPC response that broke off. `message` is percent-encoded. */
export function statusTrailers(grpcStatus: number, message: string): Head {
  const status = String(grpcStatus);
  const text = `grpc-status: ${status}\r\ngrpc-message: ${message}\r\n`;
  const trailers = new Head();
  trailers.reserveBytes(text.length);
  trailers.bytes.write(text, 0, 'latin1');
  trailers.length = text.length;
  trailers.fieldsEnd = text.length;
  const statusStart = 'grpc-status: '.length;
  const second = statusStart + status.length + 2;
  const messageStart = second + 'grpc-message: '.length;
  trailers.push(FieldId.GrpcStatus, 0, 'grpc-status'.length, statusStart, statusStart + status.length);
  trailers.push(
    FieldId.GrpcMessage,
    second,
    second + 'grpc-message'.length,
    messageStart,
    messageStart + message.length,
  );
  return trailers;
}
