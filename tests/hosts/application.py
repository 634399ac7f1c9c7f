"""The application that every host serves; its settings come from the environment."""

import asyncio
from typing import Any

import fastapi

from moongate import Module, Moongate, Namespace, Socket, SubscribeMessage, WebSocketGateway

__all__ = ["app", "mounted"]


@WebSocketGateway("/hosts")
class HostsGateway:
    """Everything that goes through a host in one direction or the other."""

    server: Namespace

    def __init__(self) -> None:
        self.departures: dict[str, asyncio.Future[str]] = {}

    def handle_connection(self, client: Socket) -> None:
        self.departures[client.id] = asyncio.get_running_loop().create_future()

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.departures[client.id].set_result(reason)
        print(f"left: {reason}", flush=True)  # noqa: T201  # the test reads it

    async def on_application_shutdown(self) -> None:
        print("application stopped", flush=True)  # noqa: T201  # as above

    @SubscribeMessage("who")
    async def who(self, client: Socket) -> dict[str, Any]:
        handshake = client.handshake
        return {
            "id": client.id,
            "auth": handshake.auth,
            "transport": client.transport,
            "address": handshake.address,
            "secure": handshake.secure,
            "url": handshake.url.partition("?")[0],
            "query": handshake.query.get("color"),
            "header": handshake.headers.get("x-color"),
        }

    @SubscribeMessage("echo")
    async def echo(self, value: Any) -> Any:
        return value

    @SubscribeMessage("ask")
    async def ask(self, client: Socket, value: Any) -> Any:
        return await client.emit_with_ack("question", value)

    @SubscribeMessage("join")
    async def join(self, client: Socket, room: str) -> None:
        await client.join(room)

    @SubscribeMessage("say")
    async def say(self, client: Socket, room: str, value: Any) -> None:
        self.server.to(room).emit("said", value)
        client.broadcast.emit("told", value)

    @SubscribeMessage("send me away")
    async def send_away(self, client: Socket, close: bool) -> None:
        await client.disconnect(close=close)

    @SubscribeMessage("departure")
    async def departure(self, client_id: str) -> str:
        return await self.departures[client_id]


@Module(providers=[HostsGateway])
class HostsModule:
    """The root."""


hello = fastapi.FastAPI()


@hello.get("/hello")
async def say_hello() -> str:
    """Show that the application beside the gateways is served."""
    return "hello"


@hello.websocket("/feed")
async def feed(websocket: fastapi.WebSocket) -> None:
    """Send back what comes."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_json({"event": "fed", "data": text})


app = Moongate(HostsModule, http=hello)

mounted = fastapi.FastAPI(lifespan=app.lifespan)
mounted.mount("/live", app)
