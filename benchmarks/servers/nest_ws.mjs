import { WsAdapter } from '@nestjs/platform-ws';
import { WebSocketGateway } from '@nestjs/websockets';

import { serve, subscribe } from './nest.mjs';

class BenchGateway {
  async echo(body) {
    return { event: 'echo', data: body };
  }

  // The adapter has no rooms; one text for all members is what its documentation leads to.
  async publish(body) {
    const text = JSON.stringify({ event: 'message', data: body });
    for (const member of this.server.clients) member.send(text);
  }
}
subscribe(BenchGateway, 'echo');
subscribe(BenchGateway, 'publish');
WebSocketGateway()(BenchGateway);

await serve(BenchGateway, (application) => new WsAdapter(application));
