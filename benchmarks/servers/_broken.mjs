import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const server = new Server(http, { serveClient: false });

server.on('connection', (client) => {
  client.join('bench');
  client.on('echo', (body, acknowledge) => acknowledge(body));
  client.on('publish', (body) => client.emit('message', body));
});

http.listen(Number(process.argv[2]), '127.0.0.1');
