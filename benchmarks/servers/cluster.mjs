// cluster_app.py with socket.io and its official adapters.

import { createServer } from 'node:http';
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const { BUS, BUS_URL, NAMESPACES = '1', ROOMS = '1' } = process.env;
const rooms = Array.from({ length: Number(ROOMS) }, (_, number) => `room-${number}`);

const client = createClient({ url: BUS_URL });
const subscriber = client.duplicate();
await Promise.all([client.connect(), subscriber.connect()]);

const adapters = {
  classic: () => createAdapter(client, subscriber),
  sharded: () => createShardedAdapter(client, subscriber),
  streams: () => createStreamsAdapter(client),
};

const http = createServer();
const server = new Server(http, { serveClient: false, adapter: adapters[BUS]() });
const namespaces = Array.from({ length: Number(NAMESPACES) }, (_, number) => server.of(`/n${number}`));
const targets = namespaces.flatMap((namespace) => rooms.map((room) => [namespace, room]));
let next = 0;

for (const namespace of namespaces) {
  namespace.on('connection', (socket) => {
    socket.on('enter', (acknowledge) => {
      socket.join(rooms);
      acknowledge();
    });
    socket.on('publish', (body) => {
      const [target, room] = targets[next++ % targets.length];
      target.to(room).emit('message', body);
    });
  });
}

http.listen(Number(process.argv[2]), '127.0.0.1');
