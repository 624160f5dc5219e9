// The cart, where there is no Python to run cart.py.
import { call, startCountedServer } from './counted-server.mjs';

startCountedServer('cart', async (request) => {
  const orders = await call('http://orders/orders', request);
  return { status: orders.status, body: `cart of ${orders.body}` };
});
