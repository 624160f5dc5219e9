// The shop's front: a page made of the cart, and a WebSocket that says everything back.
import { WebSocketServer } from 'ws';
import { call, startCountedServer } from './counted-server.mjs';

const LONGEST_MESSAGE_BYTES = 4 << 20;

startCountedServer(
  'web',
  async (request) => {
    const cart = await call('http://cart/cart', request);
    if (cart.status !== 200) return { status: cart.status, body: `no cart: ${cart.body}` };
    return { status: 200, body: `welcome; ${cart.body}` };
  },
  (server, counts) => {
    counts.webSockets = { opened: 0, messages: 0, bytes: 0, byIdentity: {} };
    const { webSockets } = counts;
    new WebSocketServer({ server, maxPayload: LONGEST_MESSAGE_BYTES }).on('connection', (socket, request) => {
      webSockets.opened += 1;
      const identity = request.headers['weft-client-identity'] ?? '(none)';
      webSockets.byIdentity[identity] = (webSockets.byIdentity[identity] ?? 0) + 1;
      socket.on('message', (message, binary) => {
        webSockets.messages += 1;
        webSockets.bytes += message.length;
        socket.send(message, { binary });
      });
      socket.on('error', () => {});
    });
  },
);
