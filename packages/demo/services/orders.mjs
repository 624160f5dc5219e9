// Orders ask the stock what is left, over HTTP, and the prices what it costs, over gRPC. VERSION tells two releases apart;
// PRICES is where the prices are, HOST:PORT.
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { call, startCountedServer } from './counted-server.mjs';

const PATIENCE_MS = 5_000;
const prices = process.env.PRICES === undefined ? null : openPrices(process.env.PRICES);

startCountedServer('orders', async (request, bodyBytes) => {
  if (request.method !== 'GET') return { status: 200, body: `order of ${bodyBytes} bytes taken\n` };
  // A caller that only wants to know which release answers.
  if (request.url === '/version') return { status: 200, body: `orders ${process.env.VERSION}\n` };
  const [stock, price] = await Promise.all([call('http://stock/stock', request), priceOf('tea')]);
  if (price.error !== '') return { status: 502, body: `prices: ${price.error}\n` };
  return { status: stock.status, body: `orders ${process.env.VERSION}, ${price.text}${stock.body}` };
});

function openPrices(address) {
  const { Prices } = loadPackageDefinition(loadSync(fileURLToPath(new URL('prices.proto', import.meta.url)))).shop.v1;
  return new Prices(address, credentials.createInsecure());
}

function priceOf(name) {
  if (prices === null) return { text: '', error: '' };
  return new Promise((resolve) => {
    prices.Get({ name }, { deadline: Date.now() + PATIENCE_MS }, (error, price) => {
      if (error !== null) resolve({ text: '', error: error.message });
      else resolve({ text: `tea at ${(price.cents / 100).toFixed(2)}, `, error: '' });
    });
  });
}
