import type { TraceContext } from './trace-context.ts';

const ROOT = /^1-([0-9a-f]{8})-([0-9a-f]{24})$/;
const PARENT = /^[0-9a-f]{16}$/;
/** Load balancers add fields of their own; what is longer is nobody's trace. */
const MAX_CHARS = 512;

/** `X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1` (AWS X-Ray, "Tracing header"). */
export function readAmazonTrace(text: string | undefined): TraceContext | undefined {
  if (text === undefined || text.length > MAX_CHARS) return undefined;
  let root = '';
  let spanId = '';
  let sampled = false;
  for (const field of text.split(';')) {
    const [key = '', value = ''] = field.trim().split('=', 2);
    if (key === 'Root') root = value;
    else if (key === 'Parent') spanId = value;
    else if (key === 'Sampled') sampled = value === '1';
  }
  const parts = ROOT.exec(root);
  if (parts === null || !PARENT.test(spanId)) return undefined;
  return { traceId: `${parts[1]!}${parts[2]!}`, spanId, sampled, state: '' };
}

export function writeAmazonTrace({ traceId, spanId, sampled }: TraceContext): string {
  return `Root=1-${traceId.substring(0, 8)}-${traceId.substring(8)};Parent=${spanId};Sampled=${sampled ? '1' : '0'}`;
}
