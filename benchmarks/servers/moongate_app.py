from typing import Annotated

import msgspec

from moongate import Module, Moongate, Namespace, Socket, SubscribeMessage, WebSocketGateway


class Body(msgspec.Struct):
    room: str
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    number: int


@WebSocketGateway()
class BenchGateway:
    server: Namespace

    def handle_connection(self, client: Socket) -> None:
        client.join("bench")

    @SubscribeMessage("echo")
    async def echo(self, body: Body) -> Body:
        return body

    @SubscribeMessage("publish")
    async def publish(self, body: Body) -> None:
        self.server.to(body.room).emit("message", body)


@Module(providers=[BenchGateway])
class BenchModule:
    pass


app = Moongate(BenchModule)
