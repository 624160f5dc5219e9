export { type ClientHello, type ClientHelloFault, ClientHelloReader } from './client-hello.ts';
export { type FirstBytes, SNIFF_MAX_BYTES, sniffFirstBytes } from './first-bytes.ts';
export { type ConnectionEnd, writeProxyHeader } from './proxy-header-writer.ts';
export { type ServerBytes, sniffServerBytes } from './server-bytes.ts';
export { PROXY_HEADER_MAX_BYTES, type ProxyHeader, type ProxyHeaderRead, readProxyHeader } from './proxy-protocol.ts';
