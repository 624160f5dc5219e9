// The stock: the end of the chain, run three times.
import { startCountedServer } from './counted-server.mjs';

startCountedServer('stock', async (request, bodyBytes) => ({
  status: 200,
  body: request.method === 'POST' ? `took ${bodyBytes} bytes\n` : `stock 42 by ${process.env.INSTANCE}\n`,
}));
