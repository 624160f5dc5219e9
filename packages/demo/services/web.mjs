// The shop's front: a page made of the cart.
import { call, startCountedServer } from './counted-server.mjs';

startCountedServer('web', async (request) => {
  const cart = await call('http://cart/cart', request);
  if (cart.status !== 200) return { status: cart.status, body: `no cart: ${cart.body}` };
  return { status: 200, body: `welcome; ${cart.body}` };
});
