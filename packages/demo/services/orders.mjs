// Orders ask the stock what is left. VERSION tells two releases apart.
import { call, startCountedServer } from './counted-server.mjs';

startCountedServer('orders', async (request, bodyBytes) => {
  if (request.method !== 'GET') return { status: 200, body: `order of ${bodyBytes} bytes taken\n` };
  // A caller that only wants to know which release answers.
  if (request.url === '/version') return { status: 200, body: `orders ${process.env.VERSION}\n` };
  const stock = await call('http://stock/stock', request);
  return { status: stock.status, body: `orders ${process.env.VERSION}, ${stock.body}` };
});
