// Raw frames: no events, no bodies, no rooms. What a WebSocket costs in Node with nothing above it.
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: Number(process.argv[2]), host: '127.0.0.1' });
const publish = Buffer.from('{"event":"publish"');

server.on('connection', (client) => {
  client.on('message', (data) => {
    if (data.subarray(0, publish.length).equals(publish)) {
      for (const member of server.clients) member.send(data, { binary: false });
    } else {
      client.send(data, { binary: false });
    }
  });
});
