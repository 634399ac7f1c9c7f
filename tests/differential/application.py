"""The application that both servers have; `tests/clients/server.mjs` is it in JavaScript."""

from contextlib import suppress
from typing import Any

from moongate import (
    Ack,
    ClientDisconnected,
    Module,
    Moongate,
    Namespace,
    Settings,
    Socket,
    SubscribeMessage,
    WebSocketGateway,
    WsException,
)
from moongate.namespace.middleware import CallNext

__all__ = ["application"]


class _Answers:
    """What clients may ask for in every namespace."""

    @SubscribeMessage("echo")
    def echo(self, ack: Ack, *args: Any) -> None:
        ack(*args)

    @SubscribeMessage("back")
    def back(self, client: Socket, *args: Any) -> None:
        client.emit("back", *args)

    @SubscribeMessage("ask", concurrent=True)
    async def ask(self, client: Socket) -> None:
        with suppress(ClientDisconnected):
            answer = await client.emit_with_ack("question")
            client.emit("answered", answer)

    @SubscribeMessage("leave")
    def leave(self, client: Socket) -> None:
        client.disconnect()

    @SubscribeMessage("close")
    def close(self, client: Socket) -> None:
        client.disconnect(close=True)


@WebSocketGateway()
class _Root(_Answers): ...


@WebSocketGateway("/chat")
class _Chat(_Answers): ...


@WebSocketGateway("/marker")
class _Marker(_Answers):
    """For scripts that have to know when everything before was handled, whatever has become of other namespaces."""


@WebSocketGateway("/closed")
class _Closed:
    def after_init(self, server: Namespace) -> None:
        server.use(_refuse)


async def _refuse(client: Socket, call_next: CallNext) -> None:
    raise WsException("no", data={"code": 1})


@Module(providers=[_Root, _Chat, _Marker, _Closed])
class _Application: ...


def application(**settings: Any) -> Moongate:
    """The application with these settings."""
    return Moongate(_Application, settings=Settings(**settings))
