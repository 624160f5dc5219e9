/** An application: answers with its name. `node answer-program.ts PORT NAME` */
import { createServer } from 'node:http';

const [port, name] = process.argv.slice(2);
createServer((request, response) => {
  request.resume();
  request.on('end', () => response.end(name));
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
