import { IoAdapter } from '@nestjs/platform-socket.io';
import { WebSocketGateway } from '@nestjs/websockets';

import { serve, subscribe } from './nest.mjs';

class BenchGateway {
  handleConnection(client) {
    client.join('bench');
  }

  async echo(body) {
    return body;
  }

  async publish(body) {
    this.server.to(body.room).emit('message', body);
  }
}
subscribe(BenchGateway, 'echo');
subscribe(BenchGateway, 'publish');
WebSocketGateway()(BenchGateway);

await serve(BenchGateway, (application) => new IoAdapter(application));
